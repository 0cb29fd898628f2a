# build/torture.elf: the hypervisor's own objects, with the torture in place of the manager and of the
# choice of a backend. Included by the Makefile.

comma := ,
TORTURE_SOURCES := $(wildcard tests/torture/*.c)
TORTURE_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(TORTURE_SOURCES))
TORTURE_REPLACED := $(addprefix $(BUILD)/,hv/manager.o boot/backend_select.o)

$(TORTURE_OBJECTS): | $(DEPS)/.ready
# The watchdog looks at NMIs first; memory runs out on purpose (fault.c).
TORTURE_WRAPPED := trap_handle frame_alloc frame_alloc_zeroed heap_alloc kstack_alloc
$(eval $(call LINK_IMAGE,torture,$(filter-out $(TORTURE_REPLACED),$(HV_OBJECTS)) $(TORTURE_OBJECTS),$(TORTURE_WRAPPED:%=-Wl$(comma)--wrap=%)))

-include $(TORTURE_OBJECTS:.o=.d)
