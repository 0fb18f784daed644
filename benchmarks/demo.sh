#!/usr/bin/env bash
# The main job on the embedded data, as a user would type it. Usage: benchmarks/demo.sh FOLDER
set -euo pipefail
place=${1:-demo}
mkdir -p "$place"
cd "$place"

run() {  # say the command, then do it
    printf '\n$ %s\n' "$*" >&2
    "$@"
}

# Electricity load: a day ahead, 28 days; the first figure is the RNN's forecast.
run forecast benchmark --dataset electricity-load --models rnn,gru,esn,kalman --horizon 24 \
    --windows 28 --forecasts load-windows.csv --report load.html --format table -o load.txt

# Google's price: a day ahead, a year of days; the second figure is ESN, Kalman and random walk.
run forecast benchmark --dataset google-stock --models rnn,gru,esn,kalman --horizon 1 \
    --windows 250 --forecasts stock-windows.csv --report stock.html --format table -o stock.txt

# One fit, then tomorrow's load through a pipe.
run forecast datasets export electricity-load -o load.csv
run forecast fit load.csv --model esn --horizon 24
printf '\n$ %s\n' '{ head -1 load.csv; tail -n 1000 load.csv; } | forecast predict load-esn.safetensors' >&2
{ head -1 load.csv; tail -n 1000 load.csv; } | forecast predict load-esn.safetensors > tomorrow.csv

printf '\nElectricity load, 24 hours ahead, 28 days\n\n'
cat load.txt
printf '\nGoogle, one trading day ahead, 250 days\n\n'
cat stock.txt
printf '\nReports to open in a browser: %s/load.html, %s/stock.html\n' "$place" "$place"
printf 'Forecasts: %s/{load-windows,stock-windows,tomorrow}.csv\n' "$place"
