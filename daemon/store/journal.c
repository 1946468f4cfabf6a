/* What the implementations of the journal share: the words for their errors. */
#include "store/journal.h"

const char *journal_error(int code)
{
    switch (code) {
    case 0:
        return "no error";
    case JOURNAL_E_FENCED:
        return "another writer has appended since";
    case JOURNAL_E_FULL:
        return "the disk is full";
    case JOURNAL_E_UNKNOWN:
        return "a commit failed and its outcome is not known; the journal must be opened again";
    case JOURNAL_E_BUSY:
        return "another process writes this journal, or it was opened to read";
    case JOURNAL_E_CORRUPT:
        return "the journal is damaged";
    case JOURNAL_E_NOT_FOUND:
        return "there is no such batch";
    case JOURNAL_E_IO:
        return "the disk could not be read or written";
    case JOURNAL_E_MEMORY:
        return "out of memory";
    case JOURNAL_E_EXISTS:
        return "the folder is not empty";
    }
    return "unknown error";
}
