# Helpers of scripts/setup: steps, stamps, progress, retries. Sourced, not run.

say()
{
	printf 'setup: %s\n' "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# What build/deps was made from: the recipes and the versions of the packages that go into it.
ready_key()
{
	{
		cat "$top"/scripts/setup "$top"/scripts/setup.d/* "$top"/guest/initrd/*
		dpkg-query -W newlib-source libzycore-dev busybox-static gcc
	} | sha256sum | cut -c1-32
}

# recipe_key NAME: changes with the recipe in setup.d/NAME.sh and what is in guest/NAME/, if anything.
recipe_key()
{
	{ cat "$top/scripts/setup.d/$1.sh" "$top/guest/$1"/* 2> /dev/null || :; } | sha256sum | cut -c1-12
}

# Runs a command again, twice at most, when it fails: the network may.
retry()
{
	local n
	for n in 1 2 3; do
		"$@" && return 0
		[ "$n" = 3 ] || sleep $((n * 5))
	done
	return 1
}

# run_step NAME VERSION FUNCTION: runs FUNCTION unless it was done for VERSION already: that of the
# package it is made from, and the recipe's key. The function runs in a work directory of its own, which
# is removed after it, and in a process group of its own; all it prints goes to a log.
run_step()
{
	local name=$1 stamp="$deps/.stamp-$1-$2" work="$deps/work-$1" log="$deps/log/$1.log" start=$SECONDS
	[ -e "$stamp" ] && return 0
	say "$name ..."
	rm -rf "$work" "$deps"/.stamp-"$name"-[0-9a-f]*
	mkdir -p "$work"
	set -m
	(
		set -euo pipefail
		cd "$work"
		"$3"
	) > "$log" 2>&1 < /dev/null &
	set +m
	if ! show_alive $! "$name"; then
		tail -n 20 "$log" >&2
		die "$name failed; the whole story is in $log"
	fi
	rm -rf "$work"
	touch "$stamp"
	say "$name done in $((SECONDS - start)) s"
}

# Waits for process $1 and says every 15 seconds that $2 is still at work; returns its status. When
# this script is told to end, the process is, too, with the group it leads, if it leads one.
show_alive()
{
	local start=$SECONDS next=15 status=0
	trap "kill -- -$1 2> /dev/null || kill $1 2> /dev/null; exit 130" INT TERM
	while kill -0 "$1" 2> /dev/null; do
		sleep 0.2
		if [ $((SECONDS - start)) -ge $next ]; then
			say "$2: still at work after $next s"
			next=$((next + 15))
		fi
	done
	wait "$1" || status=$?
	trap - INT TERM
	return $status
}
