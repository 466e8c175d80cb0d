"""The data plane's calls, each begun here: authorised, carried out, handed to the transaction of its audit entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, Never, ParamSpec, TypeVar

from kmsplan.engine.access.decision import admit
from kmsplan.engine.dataplane import asymmetric, datakey, mac, password, symmetric
from kmsplan.engine.dataplane.answer import Answer, SlowError
from kmsplan.engine.dataplane.call import Call
from kmsplan.engine.error import KeystoreError
from kmsplan.engine.execution import refused
from kmsplan.engine.protection.protocol import NotOfferedError, ProtectionUnavailableError
from kmsplan.engine.xks.behalf import OnBehalf
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core

    Context = Mapping[str, str] | None

T = TypeVar("T")
P = ParamSpec("P")


class Crypto:
    """Cryptography for one caller. `Engine` has most of these methods, waits for the answer, and says more of them.

    Args:
        core: the engine.
        caller: for whom.
        hurried: whether a call raises SlowError, with nothing done, where its key would take more than microseconds.
    """

    __slots__ = ("_caller", "_core", "_hurried")

    def __init__(self, core: Core, caller: Caller, *, hurried: bool = False) -> None:
        self._core = core
        self._caller = caller
        self._hurried = hurried

    def encrypt(
        self, key: str, plaintext: bytes, context: Context = None, *, spare: int = 0, dry_run: bool = False
    ) -> Answer[symmetric.Encrypted]:
        """See `Engine.encrypt`; the plaintext may have `spare` bytes more."""
        return self._begin("Encrypt", key, dry_run, symmetric.encrypt, key, plaintext, context, spare)

    def decrypt(self, blob: bytes, context: Context = None, *, dry_run: bool = False) -> Answer[symmetric.Decrypted]:
        """See `Engine.decrypt`."""
        return self._begin("Decrypt", None, dry_run, symmetric.decrypt, blob, context)

    def re_encrypt(
        self,
        blob: bytes,
        key: str,
        *,
        source_context: Context = None,
        context: Context = None,
        source: symmetric.Source = symmetric.Source(),  # noqa: B008 - immutable
        dry_run: bool = False,
    ) -> Answer[symmetric.Encrypted]:
        """Decrypt, and encrypt under another key or context; the plaintext leaves the engine in no form."""
        return self._begin("ReEncrypt", key, dry_run, symmetric.re_encrypt, blob, key, source_context, context, source)

    def generate_data_key(
        self, key: str, length: int, context: Context = None, *, export: bool = True, dry_run: bool = False
    ) -> Answer[datakey.DataKey]:
        """See `Engine.generate_data_key`."""
        action = "GenerateDataKey" if export else "GenerateDataKeyWithoutPlaintext"
        return self._begin(action, key, dry_run, datakey.generate, key, length, context)

    def generate_and_export_data_key(
        self, key: str, length: int, recipient: datakey.Recipient, context: Context = None, *, dry_run: bool = False
    ) -> Answer[datakey.Exported]:
        """Make a data key, encrypted under a key and, for its recipient, under his public key."""
        return self._begin(
            "GenerateAndExportDataKey", key, dry_run, datakey.generate_and_export, key, length, context, recipient
        )

    def export_data_key(
        self, blob: bytes, recipient: datakey.Recipient, context: Context = None, *, dry_run: bool = False
    ) -> Answer[datakey.Exported]:
        """Open a data key, and encrypt it under its recipient's public key."""
        return self._begin("ExportDataKey", None, dry_run, datakey.export, blob, context, recipient)

    def sign(
        self, key: str, version: str | None, algorithm: str | None, digest: bytes, *, dry_run: bool = False
    ) -> Answer[asymmetric.Signed]:
        """See `Engine.sign`."""
        return self._begin("AsymmetricSign", key, dry_run, asymmetric.sign, key, version, algorithm, digest)

    def verify(
        self,
        key: str,
        version: str | None,
        algorithm: str | None,
        digest: bytes,
        signature: bytes,
        *,
        dry_run: bool = False,
    ) -> Answer[asymmetric.Verified]:
        """See `Engine.verify`."""
        return self._begin(
            "AsymmetricVerify", key, dry_run, asymmetric.verify, key, version, algorithm, digest, signature
        )

    def asymmetric_encrypt(
        self, key: str, version: str | None, algorithm: str | None, plaintext: bytes, *, dry_run: bool = False
    ) -> Answer[asymmetric.Locked]:
        """See `Engine.asymmetric_encrypt`."""
        return self._begin("AsymmetricEncrypt", key, dry_run, asymmetric.encrypt, key, version, algorithm, plaintext)

    def asymmetric_decrypt(
        self, key: str, version: str | None, algorithm: str | None, blob: bytes, *, dry_run: bool = False
    ) -> Answer[asymmetric.Opened]:
        """See `Engine.asymmetric_decrypt`."""
        return self._begin("AsymmetricDecrypt", key, dry_run, asymmetric.decrypt, key, version, algorithm, blob)

    def public_key(self, key: str, version: str | None, *, dry_run: bool = False) -> Answer[asymmetric.PublicKey]:
        """See `Engine.public_key`."""
        return self._begin("GetPublicKey", key, dry_run, asymmetric.public_key, key, version)

    def generate_mac(
        self, key: str, algorithm: str | None, message: bytes, *, dry_run: bool = False
    ) -> Answer[mac.Code]:
        """See `Engine.generate_mac`."""
        return self._begin("GenerateMac", key, dry_run, mac.generate, key, algorithm, message)

    def verify_mac(
        self, key: str, algorithm: str | None, message: bytes, code: bytes, *, dry_run: bool = False
    ) -> Answer[mac.Checked]:
        """See `Engine.verify_mac`."""
        return self._begin("VerifyMac", key, dry_run, mac.verify, key, algorithm, message, code)

    def random_password(self, rules: password.PasswordRules) -> Answer[str]:
        """Make a password that keeps rules."""
        return self._begin("GetRandomPassword", None, False, password.generate, rules)  # noqa: FBT003 - no dry run

    def _begin(
        self,
        action: str,
        resource: str | None,
        dry_run: bool,  # noqa: FBT001 - passed on by this class alone
        work: Callable[Concatenate[Call, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer[T]:
        """Carry a call out and hand in its audit entry; the answer of one that fails is its error.

        Raises:
            KeystoreError: nothing can be read, so nothing was done.
            SlowError: see the class.
        """
        core, caller = self._core, self._caller
        request = core.request(caller, action, resource)
        call = Call(core, request, dry_run=dry_run, hurried=self._hurried)

        def again() -> Answer[T]:
            patient = Crypto(core, caller)
            return patient._begin(action, resource, dry_run, work, *args, **kwargs)

        try:
            admit(request, core.identity.account)
            core.opened()
            with OnBehalf(core.identity, request):
                value = work(call, *args, **kwargs)
        except (KeystoreError, SlowError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is audited, and then it is the answer
            if isinstance(error, ProtectionUnavailableError):
                outdated = call.outdated()
                call.forget()
                if outdated:  # what the backend does not have any more is no fault of its own
                    return again()
            return Answer(_raiser(error, action), refused(core, request, error), again)
        ticket = core.store.submit(call.settle, touches=False, records=True, claim=caller.claim)
        return Answer(lambda: value, ticket, again)


def _raiser(error: Exception, action: str) -> Callable[[], Never]:
    """Return what raises an error, as the API says it where a backend raised it."""

    def fail() -> Never:
        if isinstance(error, NotOfferedError):
            raise KmsError("UnsupportedOperation", str(error)) from error
        if isinstance(error, ProtectionUnavailableError):
            raise KmsError("Rejected.Unavailable", f"{action} was rejected: {error}") from error
        raise error

    return fail
