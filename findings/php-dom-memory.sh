#!/bin/sh
# PHP's memory_get_usage(true) does not move when a DOMDocument takes 100 MB.
#
# Expected: memory_get_usage(true) is the "total memory allocated from system", so it grows with a large document.
# Seen (PHP 8.2.32, libxml2 2.9.14): the nodes are allocated by libxml2 through malloc, outside PHP's memory manager.
# A document of 200000 elements raises the RSS by more than 100 MB and memory_get_usage(true) by nothing.
# Consequence: an application that logs its memory per request looks flat while its RSS grows with documents that
# are kept (static caches in a long-running worker). Only the RSS shows them.
#
# Output seen:
#   PHP 8.2.32, libxml2 2.9.14, 200000 elements: memory_get_usage(true) +0.0 MB,
#   memory_get_peak_usage(true) 2.1 MB, RSS +124.9 MB
set -eu

VERSION=8.2.32-1~deb12u1
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
cd "$FOLDER"

# get PACKAGE [VERSION] unpacks a package. A later update is taken when apt no longer offers the version.
get() {
    apt-get -q -o APT::Sandbox::User=root download "$1${2:+=$2}" >get.log 2>&1 ||
        apt-get -q -o APT::Sandbox::User=root download "$1" >get.log 2>&1 ||
        { cat get.log; echo "FAIL: $1 cannot be fetched (apt-get update?)"; exit 1; }
    dpkg -x "$1"_*.deb root
}
get php8.2-cli "$VERSION"
get php8.2-xml "$VERSION"
get libsodium23 1.0.18-1+deb12u1
get libargon2-1 0~20171227-0.3+deb12u1
get libxml2 2.9.14+dfsg-1.3~deb12u5
get libicu72 72.1-3+deb12u1
get libssl3
get libpcre2-8-0 10.42-1
cat >check.php <<'END'
<?php
function rss() { return explode(" ", file_get_contents("/proc/self/statm"))[1] * 4096; }
$usage = memory_get_usage(true);
$rss = rss();
$document = new DOMDocument;
$root = $document->appendChild($document->createElement("list"));
for ($i = 0; $i < 200000; $i++) {
    $root->appendChild($document->createElement("item", "value"))->setAttribute("key", "value");
}
$usage = memory_get_usage(true) - $usage;
$rss = rss() - $rss;
printf("PHP %s, libxml2 %s, 200000 elements: memory_get_usage(true) +%.1f MB, memory_get_peak_usage(true) %.1f MB, RSS +%.1f MB\n",
    PHP_VERSION, LIBXML_DOTTED_VERSION, $usage / 1e6, memory_get_peak_usage(true) / 1e6, $rss / 1e6);
if ($usage > 5e6 || $rss < 50e6) {
    echo "FAIL: memory_get_usage(true) now follows the document\n";
    exit(1);
}
END
LD_LIBRARY_PATH="$FOLDER/root/usr/lib/$(uname -m)-linux-gnu:$FOLDER/root/lib/$(uname -m)-linux-gnu" \
    root/usr/bin/php8.2 -n -d extension_dir="$FOLDER/root/usr/lib/php/20220829" -d extension=dom check.php
