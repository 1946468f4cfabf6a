/* What the implementations of the index share: the words for their errors. */
#include "store/index.h"

const char *index_error(int code)
{
    switch (code) {
    case 0:
        return "no error";
    case INDEX_E_NOT_FOUND:
        return "there is no such row";
    case INDEX_E_FULL:
        return "the disk is full";
    case INDEX_E_IO:
        return "the disk could not be read or written";
    case INDEX_E_CORRUPT:
        return "the index is damaged; rebuild it from the journal";
    case INDEX_E_BUSY:
        return "another process writes this index, or it was opened to read";
    case INDEX_E_MEMORY:
        return "out of memory";
    case INDEX_E_VERSION:
        return "the index was written in another format; rebuild it from the journal";
    }
    return "unknown error";
}
