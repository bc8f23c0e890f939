"""Ends with 0 if the model server here has a version of MODEL_NAME to serve; the image's HEALTHCHECK."""

import json
import os
import sys
import urllib.request

url = f"http://127.0.0.1:8501/v1/models/{os.environ['MODEL_NAME']}"
with urllib.request.urlopen(url, timeout=4) as answer:
    versions = json.load(answer)["model_version_status"]
sys.exit(not any(version["state"] == "AVAILABLE" for version in versions))
