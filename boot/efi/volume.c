#include "boot/efi/source.h"

#include <string.h>

#include "boot/efi/pages.h"

/* Some firmware fails on larger reads. */
#define READ_MAX MIB

struct volume {
	struct source source;
	EFI_FILE_HANDLE root;
};

/* EFI_FILE_INFO with the file's name behind it. */
union info_buffer {
	EFI_FILE_INFO info;
	u8 bytes[sizeof(EFI_FILE_INFO) + 2 * (SOURCE_PATH_MAX + 1)];
};

static const EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static const EFI_GUID file_info_guid = EFI_FILE_INFO_ID;
/* The second is where iPXE puts its images. */
static const struct layout places[] = { { "boot/modules/", "boot/cmdline" }, { "", "cmdline" } };

static EFI_STATUS open_path(struct volume *v, const char *path, EFI_FILE_HANDLE *file)
{
	CHAR16 wide[SOURCE_PATH_MAX];
	size_t n = 0;

	for (; path[n]; n++) {
		if (n + 1 == SOURCE_PATH_MAX || (u8)path[n] > '~')
			return EFI_NOT_FOUND;
		wide[n] = path[n] == '/' ? L'\\' : (CHAR16)path[n];
	}
	wide[n] = 0;
	return v->root->Open(v->root, file, wide, EFI_FILE_MODE_READ, 0);
}

static EFI_STATUS file_size(EFI_FILE_HANDLE file, u64 *size)
{
	union info_buffer b;
	UINTN n = sizeof(b);
	EFI_GUID guid = file_info_guid;
	EFI_STATUS status = file->GetInfo(file, &guid, &n, &b);

	if (EFI_ERROR(status))
		return status;
	*size = b.info.FileSize;
	return b.info.Attribute & EFI_FILE_DIRECTORY ? EFI_NOT_FOUND : EFI_SUCCESS;
}

static EFI_STATUS read_all(EFI_FILE_HANDLE file, u8 *to, u64 size)
{
	while (size) {
		UINTN n = MIN(size, READ_MAX);
		EFI_STATUS status = file->Read(file, &n, to);

		if (EFI_ERROR(status))
			return status;
		if (!n || n > size)
			return EFI_VOLUME_CORRUPTED;
		to += n;
		size -= n;
	}
	return EFI_SUCCESS;
}

static EFI_STATUS load_open(EFI_FILE_HANDLE file, struct loaded_file *out)
{
	EFI_STATUS status = file_size(file, &out->size);

	if (EFI_ERROR(status))
		return status;
	out->base = pages_alloc(out->size, PAGES_ANYWHERE);
	if (!out->base)
		return EFI_OUT_OF_RESOURCES;
	return read_all(file, (u8 *)out->base, out->size);
}

static EFI_STATUS volume_load(struct source *source, const char *path, struct loaded_file *out)
{
	struct volume *v = container_of(source, struct volume, source);
	EFI_FILE_HANDLE file;
	EFI_STATUS status = open_path(v, path, &file);

	if (EFI_ERROR(status))
		return status;
	status = load_open(file, out);
	(void)file->Close(file);
	return status;
}

struct source *source_volume(EFI_HANDLE device)
{
	static struct volume volume;
	EFI_FILE_IO_INTERFACE *system = efi_protocol(device, &file_system_guid);

	if (!system || EFI_ERROR(system->OpenVolume(system, &volume.root)))
		return NULL;
	volume.source = (struct source){ volume_load, "/", places, ARRAY_SIZE(places) };
	return &volume.source;
}
