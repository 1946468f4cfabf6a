/* handoffd config: reads a configuration as `handoffd run` would and prints what is in force. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "ops/config.h"

#include "base/banned.h"

static const char usage[] =
    "usage: handoffd config [--config FILE]\n\n"
    "Prints the configuration in force, defaults included, as a file that reads back to the same.\n"
    "FILE is " HANDOFF_CONFIG_FILE " unless given.\n";

static int print_config(const char *file)
{
    struct yaml_errors errors = {0};
    struct config *config = config_load(file, &errors);
    if (config == NULL) {
        yaml_errors_print(stderr, &errors);
        return EXIT_REFUSED;
    }
    config_print(stdout, config);
    config_free(config);
    return EXIT_DONE;
}

int command_config(int argc, char **argv)
{
    if (argc == 1) return print_config(HANDOFF_CONFIG_FILE);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (argc == 3 && strcmp(argv[1], "--config") == 0) return print_config(argv[2]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
