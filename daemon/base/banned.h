/* What the project does not call, and what it calls instead. Include it last in a .c file: a use then does not
 * compile. Files in base and ops, which may ask for the time, define HANDOFF_MAY_READ_CLOCK before. */
#ifndef HANDOFF_BASE_BANNED_H
#define HANDOFF_BASE_BANNED_H

#pragma GCC poison strcpy strcat   /* snprintf, memcpy: a length is known or asked for */
#pragma GCC poison sprintf vsprintf gets
#pragma GCC poison strtok          /* strcspn, strspn: no hidden state */
#pragma GCC poison gmtime localtime /* gmtime_r, core/calendar: no shared buffer, no zone of the machine */

#ifndef HANDOFF_MAY_READ_CLOCK
#pragma GCC poison time rand /* the clock is a port, chance comes from a seed */
#endif

#endif
