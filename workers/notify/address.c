/* See address.h. */
#include "notify/address.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAILBOX_MAX = 254, LOCAL_MAX = 64, DOMAIN_MAX = 253, LABEL_MAX = 63, URL_MAX = 2000 };

/* atext of RFC 5322 */
static bool is_atom_byte(char byte)
{
    return byte && (isalnum((unsigned char)byte) || strchr("!#$%&'*+-/=?^_`{|}~", byte));
}

static bool is_local_part(const char *text, size_t len)
{
    if (!len || len > LOCAL_MAX || text[0] == '.' || text[len - 1] == '.') return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' ? text[i + 1] == '.' : !is_atom_byte(text[i])) return false;
    }
    return true;
}

static bool is_label(const char *text, size_t len)
{
    if (!len || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-') return false;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '-') return false;
    }
    return true;
}

/* A name, not an address in digits: the last label is not one number. */
static bool is_domain(const char *text)
{
    if (strlen(text) > DOMAIN_MAX) return false;
    for (;;) {
        size_t len = strcspn(text, ".");
        if (!is_label(text, len)) return false;
        if (!text[len]) return strspn(text, "0123456789") != len;
        text += len + 1;
    }
}

bool address_is_mailbox(const char *text)
{
    const char *at = strchr(text, '@');
    return at && strlen(text) <= MAILBOX_MAX && is_local_part(text, (size_t)(at - text)) && is_domain(at + 1);
}

static const char *authority_of(const char *url)
{
    if (!strncasecmp(url, "https://", 8)) return url + 8;
    return strncasecmp(url, "http://", 7) ? NULL : url + 7;
}

bool address_is_url(const char *text)
{
    const char *host = authority_of(text);
    if (!host || strlen(text) > URL_MAX) return false;
    for (const char *at = text; *at; at++) {
        if (*at <= ' ' || *at > '~' || *at == '\\') return false;
    }
    size_t len = strcspn(host, "/?#");
    return len && host[0] != ':' && !memchr(host, '@', len);
}

bool address_is_loopback(const char *url)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = authority_of(url);
    for (size_t i = 0; host && i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (!strncasecmp(host, names[i], len) && (!host[len] || strchr(":/?#", host[len]))) return true;
    }
    return false;
}
