/* A sorted map of which any number of versions can be held at once: the index in memory reads one version while
 * the next is written. Private to index_memory.c.
 *
 * A version is its root; NULL is the empty map. Nodes are shared between versions and counted; a change copies the
 * nodes on its path that other versions share, and changes the others in place. Keys compare as bytes. */
#ifndef HANDOFF_STORE_SNAPSHOT_MAP_H
#define HANDOFF_STORE_SNAPSHOT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "store/index.h"

enum { MAP_KEY_BYTES = 24 };

struct map_key {
    uint8_t bytes[MAP_KEY_BYTES]; /* padded with zeros */
};

struct map_node;

/* One more holder of this version, and one less. Any thread. */
struct map_node *map_hold(struct map_node *root);
void map_release(struct map_node *root);

/* Changes the caller's version in place. Out of memory: *is_exhausted becomes true and the map is still a map, but
 * which changes it has is not said; release it. */
void map_put(struct map_node **root, const struct map_key *key, const struct index_row *row, bool *is_exhausted);
void map_remove(struct map_node **root, const struct map_key *key, bool *is_exhausted);

/* The first at this key or, if is_after, behind it. NULL: none. */
const struct map_node *map_seek(const struct map_node *root, const struct map_key *key, bool is_after);
const struct map_key *map_node_key(const struct map_node *node);
const struct index_row *map_node_row(const struct map_node *node);

#endif
