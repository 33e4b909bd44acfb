#!/usr/bin/env bash
# Draws the PNG icons from the SVG ones, with a headless Chromium.
set -eu
cd "$(dirname "$0")"
draw() { # SVG SIZE PNG
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --default-background-color=00000000 \
    --screenshot="$PWD/$3" --window-size="$2,$2" "file://$PWD/$1" 2>/dev/null
}
draw icon.svg 192 icon-192.png
draw icon.svg 512 icon-512.png
draw maskable.svg 512 maskable-512.png
