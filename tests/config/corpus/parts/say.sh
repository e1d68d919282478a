#!/bin/sh
echo "SAID = $*"
echo "LINE2 = second"
