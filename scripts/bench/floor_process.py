"""One process of the floor: decodes photos with Pillow and computes them with ONNX Runtime, batch after batch, with no
server. Reads a task as a line of JSON and answers with its result as a line of JSON, again and again."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from peer_model import Model


def measure(model, photos, threads, batch, lead, seconds):
    """Runs for `lead` seconds, then for `seconds`, from the end of one batch to the end of another."""
    latencies = []
    done = 0
    start = None
    begin = time.perf_counter()
    cpu = time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        prepare = map if threads == 1 or batch == 1 else pool.map
        position = 0
        while True:
            taken_at = time.perf_counter()
            taken = [photos[(position + i) % len(photos)] for i in range(batch)]
            position += batch
            for row in model.run(list(prepare(model.prepare, taken))):
                model.answer(row)
            now = time.perf_counter()
            if start is not None:
                done += batch
                latencies.append(1000 * (now - taken_at))
                if now - start >= seconds:
                    break
            elif now - begin >= lead:
                start = now
    return {
        "throughput": done / (now - start),
        "latencies": sorted(latencies),
        "cpu": 1000 * (time.process_time() - cpu) / position,
    }


photos = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
models = {}
for line in sys.stdin:
    task = json.loads(line)
    key = (task["model"]["onnxPath"], task["threads"])
    if key not in models:
        models = {key: Model(task["model"], task["threads"])}
    result = measure(models[key], photos, task["threads"], task["batch"], task["lead"], task["seconds"])
    print(json.dumps(result), flush=True)
