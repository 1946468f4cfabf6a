/* The subcommands of handoffd, one file each. argv[0] is the subcommand's own name.
 *
 * Exit codes, the same for all and promised to scripts:
 *   0  done
 *   1  it failed, or found something wrong; standard error says what
 *   2  the command line is not understood
 *   3  the configuration, the policy or a pathway was refused; standard error says where */
#ifndef HANDOFF_COMMANDS_H
#define HANDOFF_COMMANDS_H

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3 };

int command_run(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_reindex(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_backtest(int argc, char **argv);
int command_forecast(int argc, char **argv);
int command_pathway(int argc, char **argv);
int command_config(int argc, char **argv);
int command_pathway_test(int argc, char **argv); /* scenario.c; reached through `pathway test` */

#define HANDOFF_VERSION "0.1.0"
#define HANDOFF_CONFIG_FILE "/etc/handoff/handoffd.yaml"

#endif
