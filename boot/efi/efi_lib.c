#include "boot/efi/efi_lib.h"

EFI_HANDLE efi_image;
EFI_SYSTEM_TABLE *efi_system;

const char *efi_status_text(EFI_STATUS status)
{
	switch (status) {
	case EFI_SUCCESS:
		return "success";
	case EFI_LOAD_ERROR:
		return "load error";
	case EFI_INVALID_PARAMETER:
		return "invalid parameter";
	case EFI_UNSUPPORTED:
		return "unsupported";
	case EFI_DEVICE_ERROR:
		return "device error";
	case EFI_OUT_OF_RESOURCES:
		return "out of memory";
	case EFI_VOLUME_CORRUPTED:
		return "volume corrupted";
	case EFI_NO_MEDIA:
		return "no medium";
	case EFI_MEDIA_CHANGED:
		return "medium changed";
	case EFI_NOT_FOUND:
		return "not found";
	case EFI_ACCESS_DENIED:
		return "access denied";
	case EFI_NO_RESPONSE:
		return "no response";
	case EFI_TIMEOUT:
		return "time-out";
	case EFI_TFTP_ERROR:
		return "TFTP error";
	case EFI_PROTOCOL_ERROR:
		return "protocol error";
	case EFI_ABORTED:
		return "aborted";
	default:
		return "firmware error";
	}
}

void *efi_protocol(EFI_HANDLE handle, const EFI_GUID *guid)
{
	void *interface = NULL;

	if (!handle || EFI_ERROR(efi_system->BootServices->HandleProtocol(
			       handle, (EFI_GUID *)(uintptr_t)guid, &interface)))
		return NULL;
	return interface;
}
