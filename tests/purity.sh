#!/bin/sh
# core is pure: no clock, no I/O, no randomness, no writable data. Asked of the objects themselves.
#   tests/purity.sh OBJECT...
# Undefined symbols must be core's own, the schema's, or in the short list below; writable data is refused.
# (.data.rel.ro holds tables of addresses: the loader writes it once and then it is read-only.)
set -eu
allowed='^(mem(cpy|move|set|cmp)|str(cmp|ncmp|len|chr|rchr)|protobuf_c_(empty_string|message_(descriptor_get_field_by_name|init)|enum_descriptor_get_value(_by_name)?)|arena_(alloc|copy|string)|stored_copy|handoff__v1__[a-z0-9_]+|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(asan|ubsan|sanitizer)_.*)$'

defined=$(nm --defined-only --format=posix "$@" | awk 'NF > 2 { print $1 }' | sort -u)
undefined=$(nm --undefined-only --format=posix "$@" | awk '$2 == "U" { print $1 }' | sort -u)
status=0
foreign=$(printf '%s\n' "$undefined" | grep -vxF "$defined" | grep -vE "$allowed" || true)
if [ -n "$foreign" ]; then
    echo "not ok 1 - core calls only itself and the short list; it also calls:" $foreign
    status=1
else
    echo "ok 1 - core calls only itself, the schema and a short list of pure functions"
fi
writable=$(nm --format=posix "$@" | awk '$2 ~ /^[bBdDsSC]$/ { print $1 }' | while read -r symbol; do
    objdump -t "$@" 2>/dev/null | awk -v s="$symbol" '$NF == s && $0 !~ /\.data\.rel\.ro/ { print s; exit }'
done)
if [ -n "$writable" ]; then
    echo "not ok 2 - core keeps no writable data; it has:" $writable
    status=1
else
    echo "ok 2 - core keeps no writable data"
fi
echo "1..2"
exit $status
