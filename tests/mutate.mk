# make mutate-pathways: takes each transition, opening, timer and action out of the shipped pathways in turn; the
# scenarios must fail each time. See tests/mutate/mutate.c.
.PHONY: mutate-pathways
mutate-pathways: $(BUILD)/mutate
	$(BUILD)/mutate tests/site.yaml daemon/pathways $(wildcard tests/scenarios/*.yaml)

$(BUILD)/mutate: tests/mutate/mutate.c $(BUILD)/libhandoffd.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(INCLUDE) -MMD -MP -MF $@.d -Idaemon $< $(BUILD)/libhandoffd.a $(LDFLAGS) $(LIBS_DAEMON) -o $@
-include $(BUILD)/mutate.d
