"""The peer with LitServe: worker processes decode and compute batches. `BENCH_TASK` has the model, the port, the
workers, the threads of a session, the batch size and the seconds that a batch waits for company."""

import json
import os

import litserve
from peer_model import Model, end_with_benchmark

task = json.loads(os.environ["BENCH_TASK"])


class Classifier(litserve.LitAPI):
    def setup(self, device):
        self.model = Model(task["model"], task["threads"])

    def decode_request(self, request):
        return self.model.prepare(request["image"].file.read())

    def batch(self, inputs):
        return inputs

    def predict(self, images):
        return self.model.run(images if isinstance(images, list) else [images])

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return self.model.answer(output.reshape(-1))


if __name__ == "__main__":
    end_with_benchmark()
    api = Classifier(max_batch_size=task["batch"], batch_timeout=task["wait"], api_path="/classify")
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=task["workers"], fast_queue=task["fastQueue"], timeout=120
    )
    server.run(host="127.0.0.1", port=task["port"], log_level="warning", generate_client_file=False)
