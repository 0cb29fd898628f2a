# The static checks. Included by the Makefile after the hypervisor's and the tests' rules.

C_FILES := $(foreach d,boot arch core mm hv guest tests scripts,$(shell find $(d) -name '*.[ch]'))
HV_C := $(filter %.c,$(HV_SOURCES))
EFI_HEADERS := $(filter boot/efi/%.h,$(C_FILES))
HV_HEADERS := $(filter-out $(EFI_HEADERS),$(filter boot/% arch/% core/% mm/% hv/%,$(filter %.h,$(C_FILES))))
GUEST_HEADERS := $(filter guest/%.h,$(C_FILES))
TEST_HEADERS := $(filter tests/unit/%.h,$(C_FILES))
TORTURE_HEADERS := $(filter tests/torture/%.h,$(C_FILES))
TSAN_HEADERS := $(filter tests/tsan/%.h,$(C_FILES))

format:
	@clang-format -i $(C_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES)

# cmocka.h wants these three, and the helpers of tests want it, before them.
TEST_HEADER_FLAGS := -include stdarg.h -include stddef.h -include setjmp.h -include cmocka.h

# Each header is the only thing in a file. $(1): headers, $(2): flags.
define CHECK_HEADERS
	@for h in $(1); do $(CC) $(filter-out -MMD -MP,$(2)) -fsyntax-only -include $$h -x c /dev/null || exit 1; done
endef
headers: | $(DEPS)/.ready
	$(call CHECK_HEADERS,$(HV_HEADERS),$(HV_CFLAGS))
	$(call CHECK_HEADERS,$(EFI_HEADERS),$(EFI_CFLAGS))
	$(call CHECK_HEADERS,$(GUEST_HEADERS),$(GUEST_CFLAGS))
	$(call CHECK_HEADERS,$(TEST_HEADERS),$(UNIT_CFLAGS) -Itests/unit $(TEST_HEADER_FLAGS))
	$(call CHECK_HEADERS,$(TORTURE_HEADERS),$(HV_CFLAGS) -Itests/torture)
	$(call CHECK_HEADERS,$(TSAN_HEADERS),$(TSAN_CFLAGS))

# What is suppressed, and why, is in scripts/cppcheck.txt.
cppcheck:
	@mkdir -p $(BUILD)/cppcheck
	@cppcheck -q -j2 --cppcheck-build-dir=$(BUILD)/cppcheck --std=c11 --platform=unix64 \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=scripts/cppcheck.txt -I. -D__x86_64__ -DNEAP_VERSION='"lint"' $(HV_C)
	@cppcheck -q -j2 --cppcheck-build-dir=$(BUILD)/cppcheck --std=c11 --platform=unix64 \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=scripts/cppcheck.txt -Iguest/lib -D__x86_64__ $(GUEST_SOURCES) \
		$(filter %.c,$(GUEST_DIRECTORY_SOURCES)) \
		$(filter %.c,$(GUEST_LIB_SOURCES))
	@cppcheck -q -j2 --cppcheck-build-dir=$(BUILD)/cppcheck --std=c11 --platform=unix64 \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=scripts/cppcheck.txt -I. -D__x86_64__ -DNEAP_VERSION='"lint"' \
		$(filter boot/efi/%,$(EFI_SOURCES))

# The checks are chosen in .clang-tidy.
tidy: | $(DEPS)/.ready
	@printf '%s\n' $(HV_C) | xargs -P2 -n4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- \
		$(CLANG_TIDY_FLAGS) 2>/dev/null' tidy
	@printf '%s\n' $(filter boot/efi/%,$(EFI_SOURCES)) | xargs -P2 -n4 sh -c 'clang-tidy --quiet \
		--warnings-as-errors="*" "$$@" -- $(EFI_TIDY_FLAGS) 2>/dev/null' tidy
EFI_TIDY_FLAGS = $(filter-out -mcmodel=kernel,$(CLANG_TIDY_FLAGS)) -fpic -fshort-wchar -isystem $(GNU_EFI_INCLUDE) \
	-isystem $(GNU_EFI_INCLUDE)/x86_64 -DGNU_EFI_USE_MS_ABI
CLANG_TIDY_FLAGS := -std=gnu11 -O2 -ffreestanding -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -I. -nostdinc \
	-isystem $(DEPS)/newlib-hv/include -isystem $(shell clang -print-file-name=include) \
	$(ZYDIS_CFLAGS) -DNEAP_VERSION=\"lint\"

lint: format-check headers cppcheck tidy
