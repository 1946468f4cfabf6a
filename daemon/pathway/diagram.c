/* See diagram.h. Transitions that stay in their state are left out: they are what the file is for. */
#include "pathway/diagram.h"

struct drawing {
    FILE *to;
    const struct pathway *pathway;
    const struct machine *machine;
    const char *prefix; /* of the machine's nodes */
};

static void put_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc(*text, to);
    }
}

static void put_node(const struct drawing *d, uint32_t state)
{
    fprintf(d->to, "\"%s.%s\"", d->prefix, d->machine->states[state].name);
}

static void draw_state(const struct drawing *d, uint32_t i)
{
    const struct state *state = &d->machine->states[i];
    put_node(d, i);
    fprintf(d->to, " [label=\"%s", state->name);
    for (uint32_t t = 0; t < state->timer_count; t++)
        fprintf(d->to, "\\n%s", d->pathway->timers[state->timers[t]].name);
    fprintf(d->to, "\"%s%s];\n", state->is_final ? " peripheries=2" : "",
            i == d->machine->initial ? " penwidth=2" : "");
}

static void draw_edge(const struct drawing *d, int32_t from, int32_t to, uint32_t rule, const char *style)
{
    if (to < 0) return;
    if (from < 0)
        fprintf(d->to, "\"%s.any\"", d->prefix);
    else
        put_node(d, (uint32_t)from);
    fputs(" -> ", d->to);
    put_node(d, (uint32_t)to);
    fputs(" [label=\"", d->to);
    put_text(d->to, d->pathway->rules[rule].text);
    fprintf(d->to, "\"%s];\n", style);
}

static void draw_timers(const struct drawing *d, uint32_t state)
{
    for (uint32_t t = 0; t < d->machine->states[state].timer_count; t++) {
        const struct timer_kind *timer = &d->pathway->timers[d->machine->states[state].timers[t]];
        for (uint32_t f = 0; f < timer->firing_count; f++)
            draw_edge(d, (int32_t)state, timer->firings[f].target, timer->firings[f].rule, " style=dashed");
    }
}

static void draw_edges(const struct drawing *d, uint32_t s)
{
    const struct state *state = &d->machine->states[s];
    for (uint32_t i = 0; i < state->on_count; i++) draw_edge(d, (int32_t)s, state->on[i].target, state->on[i].rule, "");
    for (uint32_t i = 0; i < state->always_count; i++)
        draw_edge(d, (int32_t)s, state->always[i].target, state->always[i].rule, " style=dotted");
    draw_timers(d, s);
}

static void draw_any(const struct drawing *d)
{
    bool is_drawn = false;
    for (uint32_t i = 0; i < d->machine->any_count; i++) {
        if (d->machine->any[i].target >= 0 && !is_drawn)
            fprintf(d->to, "\"%s.any\" [label=\"any state\" shape=plain];\n", d->prefix);
        is_drawn |= d->machine->any[i].target >= 0;
        draw_edge(d, -1, d->machine->any[i].target, d->machine->any[i].rule, "");
    }
}

static void draw_machine(FILE *to, const struct pathway *p, const struct machine *machine, const char *prefix)
{
    struct drawing d = {to, p, machine, prefix};
    fprintf(to, "subgraph \"cluster.%s\" { label=\"%s\";\n", prefix, prefix);
    for (uint32_t i = 0; i < machine->state_count; i++) draw_state(&d, i);
    for (uint32_t i = 0; i < machine->state_count; i++) draw_edges(&d, i);
    draw_any(&d);
    fputs("}\n", to);
}

void pathway_draw(FILE *to, const struct pathway *p)
{
    fprintf(
        to,
        "digraph \"%s\" {\nnode [shape=box style=rounded fontname=Helvetica]; edge [fontname=Helvetica fontsize=9];\n",
        p->name);
    draw_machine(to, p, &p->main, p->name);
    for (uint32_t r = 0; r < p->region_count; r++) draw_machine(to, p, &p->regions[r], p->regions[r].name);
    fputs("}\n", to);
}
