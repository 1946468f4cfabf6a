/* The resource directory as the daemon has it, fetched whole. */
#ifndef HANDOFF_DIRECTORY_H
#define HANDOFF_DIRECTORY_H

#include "cli.h"

/* Rows that fit the filter, page after page, into a reply that was initialised. An exit code. */
int fetch_directory(struct cli *cli, Handoff__V1__DirectoryListRequest *filter, Handoff__V1__DirectoryListReply *all);

#endif
