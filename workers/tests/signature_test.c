/* Signatures against vectors that Python's hmac computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "notify/signature.h"

static void signs_as(const char *secret, const char *id, int64_t at_s, const char *payload, const char *expected)
{
    struct signature_key key;
    char text[SIGNATURE_TEXT];
    assert_true(signature_key_read(secret, &key));
    signature_sign(&key, id, at_s, payload, text);
    assert_string_equal(text, expected);
}

static void a_message_is_signed_as_python_signs_it(void **state)
{
    (void)state;
    signs_as("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "msg_1", 1674087231, "{\"type\":\"reminder\"}",
             "v1,LT62KEamQS7LwV3PGCt2gQwCZcLGDRQ7vpAcV1cSiMI=");
    signs_as("whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTlJWWl5iZmpucnZ6foKGiow==",
             "3f2a-t4.2", 1772746800, "{\"text\":\"mañana\"}", "v1,/Ksh5EwH7G3XzEOkhYFPrK5m1XrVbSMum2P8MRAKAGM=");
    signs_as("whsec_/////////////////////////////////////////w==", "a", 0, "",
             "v1,9kHAgcGuckiEJTSluKcI/K6bujco4CnmLj16mg/X/X8=");
}

static void a_secret_without_padding_is_the_same_secret(void **state)
{
    (void)state;
    signs_as("whsec_/////////////////////////////////////////w", "a", 0, "",
             "v1,9kHAgcGuckiEJTSluKcI/K6bujco4CnmLj16mg/X/X8=");
}

static void what_is_no_secret_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "whsec_",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",          /* no prefix */
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",     /* another kind of key */
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",    /* 23 bytes */
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX AA", /* a space */
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX!",
        "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo+QkZKTlJWWl5iZmpucnZ6foKGio6Ok", /* 66 bytes */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct signature_key key = {.len = 7};
        assert_false(signature_key_read(texts[i], &key));
        assert_int_equal(key.len, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_signed_as_python_signs_it),
        cmocka_unit_test(a_secret_without_padding_is_the_same_secret),
        cmocka_unit_test(what_is_no_secret_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
