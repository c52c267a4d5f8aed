#!/usr/bin/env bash
# What the claims still need one H200 for: models first, then their results, some minutes each.
# build/corpus.npz and build/models/base come from train_bundled.py. No line was run on a GPU yet.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BASE="--model build/models/base --device cuda"
LIGHT="--light build/models/light"

# ---- models: about 25 minutes
python experiments/train_claims.py tokenize --corpus build/corpus.npz --out build/corpus-bpe.npz
python experiments/train_claims.py train --corpus build/corpus.npz --bpe build/corpus-bpe.npz \
  --out build/models --only base-1,light,bpe --minutes 9
python experiments/train_claims.py train --corpus build/corpus.npz --out build/models \
  --only base-2,light-1,light-2 --minutes 8.5
python experiments/train_chain.py --out build/models/large --seeds 0,1,2 --minutes 1.5 --size large
python experiments/train_claims.py record --models build/models

# ---- known truth (instead of the small models' result); light against heavy
python experiments/known_truth.py --models build/models/large --seeds 0,1,2 --device cuda \
  --samples 1024 --truth 4096 --passes 16384 --batch 512
python experiments/light_heavy.py $BASE $LIGHT --batch 256 --passes 16384
python experiments/model_scheduling.py $BASE $LIGHT --windows 280 --passes 16384 --batch 128 \
  --steps 16 256

# ---- estimation, transfer
python experiments/estimation_cost.py $BASE --batch 512 --most 16384 --effort 32768 --judge 65536
python experiments/transfer.py --model build/models/base build/models/light tiny tiny-light \
  build/models/bpe --device cuda --batch 512 --passes 8192 --splits 4
python experiments/transfer_temperature.py $BASE --batch 512 --length 128 --context 128 \
  --windows 512 --passes 16384 --measured 8 16

# ---- samplers
python experiments/profiles.py $BASE --windows 700 --batch 512
python experiments/rounds.py $BASE --windows 700 --batch 512
python experiments/dus_speed.py $BASE --windows 700 --passes 16384 --batch 256
python experiments/dus_ablation.py $BASE --windows 700 --passes 16384 --batch 256 --budgets 7 8 16
python experiments/dus_ablation.py --model build/models/base build/models/base-1 build/models/base-2 \
  --name seeds --device cuda --windows 700 --passes 16384 --batch 256

# ---- claims 1 and 2, on bytes and on a byte-pair vocabulary
for MODEL in base bpe; do
  ON="--model build/models/$MODEL --name $MODEL --device cuda"
  python experiments/slope.py $ON --windows 700 --passes 16384 --batch 512
  python experiments/ratios.py $ON --windows 700 --passes 16384 --batch 256
  python experiments/matched_entropy.py $ON --judge build/models/judge --prompts 256 \
    --passes 16384 --batch 256
done
python experiments/dial.py $BASE --windows 240 --batch 256
