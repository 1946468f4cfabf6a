/* Is it text? Well-formed UTF-8 (no overlong forms, no surrogates) without a NUL. */
#ifndef HANDOFF_ENGINE_UTF8_H
#define HANDOFF_ENGINE_UTF8_H

#include "base/bytes.h"

enum utf8 { UTF8_OK, UTF8_HAS_NUL, UTF8_IS_BAD };
enum utf8 utf8_check(struct bytes text);

#endif
