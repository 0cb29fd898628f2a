# The screen's font: a console font of Debian's console-setup-linux, which is only unpacked (installing
# it would set up this machine's keyboard). Included by the Makefile, which sets BUILD and DEPS.
# FONT names any other gzipped PSF font of ASCII order.
FONT ?= $(DEPS)/font/console.psf.gz

$(BUILD)/arch/x86/font.psf: $(FONT)
	@mkdir -p $(@D)
	@gzip -dc $< > $@.tmp
	@mv $@.tmp $@

$(DEPS)/font/console.psf.gz: $(DEPS)/.ready
	@test -e $@

# font.S includes it as binary; it has no header for -MMD to see.
$(BUILD)/arch/x86/font.o: $(BUILD)/arch/x86/font.psf
$(BUILD)/arch/x86/font.o: ASFLAGS += -I$(BUILD)/arch/x86
