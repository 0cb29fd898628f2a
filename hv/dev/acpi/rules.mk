# AML for the guests' ACPI tables. Wants BUILD set; include it from the Makefile. Whatever object
# hv/dev/acpi/aml.S is built into must depend on $(ACPI_AML) and be assembled with $(ACPI_AML_FLAGS).
IASL ?= iasl
ACPI_GEN := $(BUILD)/gen/acpi
ACPI_AML := $(ACPI_GEN)/dsdt.aml $(ACPI_GEN)/ssdt_com1.aml
ACPI_AML_FLAGS := -I$(ACPI_GEN) -Wa,-I$(ACPI_GEN)

# -we: a warning is an error. iasl is talkative even when all is well, so it is heard on failure only.
$(ACPI_GEN)/%.aml: hv/dev/acpi/%.asl
	@mkdir -p $(@D)
	@echo "  IASL $<"; $(IASL) -we -p $(ACPI_GEN)/$* $< > $(ACPI_GEN)/$*.log 2>&1 || \
		{ cat $(ACPI_GEN)/$*.log >&2; rm -f $@; exit 1; }
