/* See directory_words.h. */
#include "core/directory_words.h"

#include "core/directory.h"

#include <string.h>

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool is_same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len) return false;
    for (size_t i = 0; i < a_len; i++)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

/* Length of a county's name without the word county behind it. */
static size_t county_length(const char *name)
{
    static const char suffix[] = " county";
    size_t len = strlen(name), more = sizeof suffix - 1;
    return len > more && is_same_text(name + len - more, more, suffix, more) ? len - more : len;
}

bool is_same_county(const char *a, const char *b) { return is_same_text(a, county_length(a), b, county_length(b)); }

static size_t subtag_length(const char *tag)
{
    size_t len = 0;
    while (tag[len] && tag[len] != '-' && tag[len] != '_') len++;
    return len;
}

bool is_same_language(const char *a, const char *b) { return is_same_text(a, subtag_length(a), b, subtag_length(b)); }

const char *language_words(const char *tag)
{
    static const struct {
        const char *tag, *name;
    } names[] = {{"am", "Amharic"},   {"ar", "Arabic"},     {"ase", "American Sign Language"},
                 {"de", "German"},    {"en", "English"},    {"es", "Spanish"},
                 {"fa", "Persian"},   {"fr", "French"},     {"hi", "Hindi"},
                 {"ht", "Haitian Creole"}, {"it", "Italian"}, {"ko", "Korean"},
                 {"ne", "Nepali"},    {"pdc", "Pennsylvania Dutch"}, {"pl", "Polish"},
                 {"pt", "Portuguese"}, {"ru", "Russian"},   {"so", "Somali"},
                 {"sw", "Swahili"},   {"tl", "Tagalog"},    {"uk", "Ukrainian"},
                 {"ur", "Urdu"},      {"vi", "Vietnamese"}, {"zh", "Chinese"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_same_language(tag, names[i].tag)) return names[i].name;
    return tag;
}

const char *support_words(Handoff__V1__SupportKind kind)
{
    static const char *const words[] = {"",      "food",   "housing",   "transport",
                                        "peers", "groups", "childcare", "other help"};
    return (size_t)kind < sizeof words / sizeof *words ? words[kind] : "other help";
}

const char *directory_level_words(Handoff__V1__LevelOfCare level)
{
    static const char *const words[] = {"",
                                        "inpatient",
                                        "residential",
                                        "partial hospitalization",
                                        "intensive outpatient",
                                        "community-based",
                                        "outpatient",
                                        "primary care",
                                        "case management",
                                        "support"};
    return (size_t)level < sizeof words / sizeof *words ? words[level] : "";
}

char *words_joined(struct arena *arena, const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    char *text = arena_alloc(arena, a_len + b_len + 1);
    memcpy(text, a, a_len);
    memcpy(text + a_len, b, b_len);
    return text;
}
