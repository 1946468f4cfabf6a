/* Tables of tasks and escalations, which several commands show. */
#ifndef HANDOFF_VIEWS_H
#define HANDOFF_VIEWS_H

#include "handoff.h"

#include <stdbool.h>

/* By due time, and by the time they climb. */
void sort_tasks(Handoff__V1__TaskView **tasks, size_t count);
void sort_escalations(Handoff__V1__EscalationView **escalations, size_t count);

/* `title` and `if_empty` as in table_print(). */
void print_tasks(Handoff__V1__TaskView *const *tasks, size_t count, bool has_patient, const char *title,
                 const char *if_empty);
void print_escalations(Handoff__V1__EscalationView *const *escalations, size_t count, bool has_patient,
                       const char *title, const char *if_empty);

/* All pages of a listing, added to `all`. An exit code. */
struct cli;
int fetch_tasks(struct cli *cli, Handoff__V1__TasksRequest *filter, Handoff__V1__TasksReply *all);
int fetch_escalations(struct cli *cli, Handoff__V1__EscalationsRequest *filter,
                      Handoff__V1__EscalationsReply *all);

/* Who of the directory suits, in the daemon's order. */
void print_matches(Handoff__V1__Match *const *matches, size_t count, const char *title, const char *if_empty);

#endif
