"""Asks a server through a client that openapi-python-client made: python generated_client.py url model photo"""

import base64
import io
import json
import sys

from menagerie_client import Client
from menagerie_client.api.classification import classify
from menagerie_client.api.models import describe_model, list_models
from menagerie_client.api.open_inference_protocol import predict
from menagerie_client.models import ClassifyFilesBody, PredictionRequest
from menagerie_client.types import File

url, model, photo = sys.argv[1:]
client = Client(base_url=url)
with open(photo, "rb") as file:
    content = file.read()

form = ClassifyFilesBody(image=[File(payload=io.BytesIO(content), file_name="photo.png", mime_type="image/png")])
by_form = classify.sync(client=client, body=form, model=model, top_k=1)
by_bytes = classify.sync(client=client, body=File(payload=io.BytesIO(content)), model=model, top_k=1)
instances = PredictionRequest.from_dict({"instances": [{"b64": base64.b64encode(content).decode()}]})
(probabilities,) = predict.sync(model, client=client, body=instances).predictions

print(
    json.dumps(
        {
            "models": [each.id for each in list_models.sync(client=client).models],
            "form": by_form.results[0].predictions[0].index,
            "bytes": by_bytes.results[0].predictions[0].index,
            "predicted": probabilities.index(max(probabilities)),
            "refusal": describe_model.sync("nobody", client=client).code.value,
        }
    )
)
