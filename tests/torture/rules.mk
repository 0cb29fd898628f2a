# build/torture.elf: the hypervisor's own objects, with the torture in place of the manager and of the
# choice of a backend. Included by the Makefile.

comma := ,
TORTURE_SOURCES := $(wildcard tests/torture/*.c)
TORTURE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(TORTURE_SOURCES))
TORTURE_REPLACED := $(addprefix $(BUILD)/,hv/manager.o boot/backend_select.o)

$(TORTURE_OBJECTS): | $(DEPS)/.ready
# The watchdog looks at NMIs first.
$(eval $(call LINK_IMAGE,torture,$(filter-out $(TORTURE_REPLACED),$(HV_OBJECTS)) $(TORTURE_OBJECTS),-Wl$(comma)--wrap=trap_handle))

-include $(TORTURE_OBJECTS:.o=.d)
