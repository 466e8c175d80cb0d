"""An application that knows nothing of kmsplan: it uses the official SDK of Alibaba Cloud KMS."""

import base64
import hashlib
import json
import os
import sys

from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

access_key = json.load(sys.stdin)
client = Client(
    Config(
        access_key_id=access_key["access_key_id"],
        access_key_secret=access_key["access_key_secret"],
        endpoint=os.environ["KMS_ENDPOINT"],
        protocol="http",
    )
)

context = {"tenant": "acme"}
sealed = client.encrypt(
    models.EncryptRequest(key_id="alias/orders", plaintext="order 4711", encryption_context=context)
).body
opened = client.decrypt(models.DecryptRequest(ciphertext_blob=sealed.ciphertext_blob, encryption_context=context)).body
print("decrypted:", opened.plaintext)

data_key = client.generate_data_key(models.GenerateDataKeyRequest(key_id="alias/orders", number_of_bytes=32)).body
print("data key:", len(base64.b64decode(data_key.plaintext)), "bytes")

versions = client.list_key_versions(models.ListKeyVersionsRequest(key_id="alias/invoice-signing")).body
version = versions.key_versions.key_version[0].key_version_id
digest = base64.b64encode(hashlib.sha256(b"invoice 7").digest()).decode()
named = {"key_id": "alias/invoice-signing", "key_version_id": version, "algorithm": "ECDSA_SHA_256", "digest": digest}
signature = client.asymmetric_sign(models.AsymmetricSignRequest(**named)).body.value
print("signature holds:", client.asymmetric_verify(models.AsymmetricVerifyRequest(value=signature, **named)).body.value)
