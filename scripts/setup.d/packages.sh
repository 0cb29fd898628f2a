# Installing Debian packages, and a private apt configuration that also knows their sources.
# Sourced by scripts/setup.

package_version()
{
	dpkg-query -W -f '${Version}' "$1"
}

packages_missing()
{
	{ dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2> /dev/null || :; } |
		awk -v wanted="${packages[*]}" '
			$2 == "installed" { have[$1] = 1 }
			END { n = split(wanted, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

packages_install_missing()
{
	local missing as_root=() log
	missing=$(packages_missing)
	[ -z "$missing" ] && return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo > /dev/null || die "as root, install: ${missing//$'\n'/ }"
		sudo -v || die "as root, install: ${missing//$'\n'/ }"
		as_root=(sudo)
	fi
	say "installing ${missing//$'\n'/ }"
	log=$(mktemp)
	apt_as_root update || apt_failed "$log"
	# shellcheck disable=SC2086
	apt_as_root install -y --no-install-recommends $missing || apt_failed "$log"
	rm -f "$log"
	missing=$(packages_missing)
	[ -z "$missing" ] || die "not installed: ${missing//$'\n'/ }"
}

# Uses the caller's as_root and log.
apt_as_root()
{
	local pid
	retry "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -o DPkg::Lock::Timeout=900 "$@" >> "$log" 2>&1 < /dev/null &
	pid=$!
	show_alive $pid "apt-get $1"
}

apt_failed()
{
	tail -n 20 "$1" >&2
	die "apt-get failed; its output is in $1"
}

# Under sudo, root is for the packages only: what is built belongs to the person who called.
leave_root_behind()
{
	if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
		exec setpriv --reuid "$SUDO_UID" --regid "$SUDO_GID" --init-groups \
			env -u SUDO_USER HOME=/ "$top/scripts/setup"
	fi
}

# apt-get with lists, cache and sources of its own under build/deps/apt, so that downloads need no
# root and source packages are known even where the machine's own sources name binaries only.
private_apt()
{
	local dir="$deps/apt"
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/sources" \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

private_apt_update()
{
	local dir="$deps/apt"
	[ -e "$dir/.updated" ] && [ -n "$(find "$dir/.updated" -mmin -60)" ] && return 0
	mkdir -p "$dir/sources" "$dir/lists/partial" "$dir/cache/archives/partial"
	python3 -B "$top/scripts/neaplib/aptsources.py" > "$dir/sources/neap.sources"
	retry private_apt update
	touch "$dir/.updated"
}
