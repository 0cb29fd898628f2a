#include "boot/efi/modules.h"

#include <string.h>

#include "boot/efi/manifest_names.h"
#include "boot/efi/options.h"
#include "boot/efi/text_format.h"
#include "core/log.h"

/* Loads and says so; a missing file is for the caller to mention. */
static EFI_STATUS load(struct source *s, const char *directory, const char *name,
		       struct loaded_file *out)
{
	char path[SOURCE_PATH_MAX];
	EFI_STATUS status = EFI_NOT_FOUND;

	if (strlen(directory) + strlen(name) < sizeof(path)) {
		(void)text_print(path, sizeof(path), "%s%s", directory, name);
		status = s->load(s, path, out);
	}
	if (!EFI_ERROR(status))
		log_info("%s%s: %lu bytes", s->root, path, out->size);
	else if (status != EFI_NOT_FOUND)
		log_error("%s%s cannot be read: %s", s->root, path, efi_status_text(status));
	return status;
}

/* Room is the caller's to know. */
static void add(struct boot_info *info, const char *name, const struct loaded_file *file)
{
	struct boot_module *m = &info->module[info->module_count++];

	m->base = HPA(file->base);
	m->size = file->size;
	(void)text_print(m->name, sizeof(m->name), "%s", name);
}

static EFI_STATUS load_named(struct source *s, const char *directory, struct boot_info *info)
{
	static struct manifest_names names;
	const struct boot_module *manifest = &info->module[0];

	manifest_names_scan((const char *)manifest->base.v, manifest->size, &names);
	for (unsigned i = 0; i < names.count; i++) {
		struct loaded_file file;
		EFI_STATUS status = load(s, directory, names.name[i], &file);

		if (status == EFI_NOT_FOUND)
			log_error("%s%s%s: no such file, and the manifest names it", s->root,
				  directory, names.name[i]);
		else if (EFI_ERROR(status))
			return status;
		else
			add(info, names.name[i], &file);
	}
	if (names.more)
		log_warn("the manifest names more than %u files; the rest is not loaded",
			 MANIFEST_NAMES_MAX);
	info->modules_lost = names.more;
	return EFI_SUCCESS;
}

static void say_where(struct source *const *source, unsigned count)
{
	log_error("there is no manifest; it was looked for as");
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < source[i]->places; k++)
			log_error("  %s%s" MANIFEST_MODULE_NAME, source[i]->root,
				  source[i]->place[k].modules);
	}
	if (!count)
		log_error(
			"  nothing: neither a file system nor a TFTP server brought this program");
}

EFI_STATUS modules_load(struct source *const *source, unsigned count, struct boot_info *info)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < source[i]->places; k++) {
			const char *directory = source[i]->place[k].modules;
			struct loaded_file file;
			EFI_STATUS status = load(source[i], directory, MANIFEST_MODULE_NAME, &file);

			if (status == EFI_NOT_FOUND)
				continue;
			if (EFI_ERROR(status))
				return status;
			add(info, MANIFEST_MODULE_NAME, &file);
			return load_named(source[i], directory, info);
		}
	}
	say_where(source, count);
	return EFI_SUCCESS;
}

void modules_load_cmdline(struct source *const *source, unsigned count, struct boot_info *info)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < source[i]->places; k++) {
			struct loaded_file file;

			if (EFI_ERROR(load(source[i], "", source[i]->place[k].cmdline, &file)))
				continue;
			if (options_from_text((const char *)file.base, file.size, info->cmdline,
					      sizeof(info->cmdline)) == OPTIONS_CUT)
				log_warn("command line cut to %u bytes", BOOT_CMDLINE_MAX - 1);
			return;
		}
	}
}
