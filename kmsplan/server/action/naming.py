"""Actions on aliases and tags (API reference, "Aliases, tags")."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms import operation as op
from kmsplan.kms.error import KmsError
from kmsplan.server.action.key import KEY, changing, page
from kmsplan.server.action.row import Managing
from kmsplan.server.parameters import PAGE, Parameter, flag, listed, names, tagged, tagged_pairs, tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.reading.view import AliasView, Page
    from kmsplan.engine.service import Engine
    from kmsplan.server.action.row import Shape, Values

_ALIAS: Final = Parameter("AliasName", required=True)
_RESOURCES: Final = (
    Parameter("RegionId", required=True),
    Parameter("ResourceType", required=True),
    Parameter("ResourceId", gather=listed, required=True),
)
_ONE: Final = (Parameter("KeyId"), Parameter("SecretName"), Parameter("CertificateId"))


def _aliases(found: Page[AliasView]) -> Shape:
    aliases = [{"AliasArn": view.arn, "AliasName": view.alias, "KeyId": view.key_id} for view in found.items]
    return {
        "Aliases": {"Alias": aliases},
        "PageNumber": found.page,
        "PageSize": found.size,
        "TotalCount": found.total,
    }


def _list_aliases(engine: Engine, values: Values) -> Shape:
    return _aliases(engine.list_aliases(*page(values, 10)))


def _list_aliases_of(engine: Engine, values: Values) -> Shape:
    return _aliases(engine.list_aliases(*page(values, 10), key=values["KeyId"]))


def _key(values: Values) -> str:
    """Return the key that the older tagging actions name.

    Raises:
        KmsError: they name none, or something else.
    """
    if "SecretName" in values or "CertificateId" in values:
        raise KmsError("UnsupportedOperation", "This server holds keys: it has no secrets and no certificates to tag.")
    if "KeyId" not in values:
        raise KmsError("MissingParameter", 'The parameter "KeyId" is needed but not provided.')
    key: str = values["KeyId"]
    return key


def _resource_type(values: Values) -> str:
    """Return what is tagged.

    Raises:
        KmsError: secrets, of which there are none.
    """
    kind: str = values["ResourceType"]
    if kind == "secret":
        raise KmsError("UnsupportedOperation", "This server holds keys: it has no secrets to tag.")
    return kind


def _list_resource_tags(engine: Engine, values: Values) -> Shape:
    found = engine.list_resource_tags(values["KeyId"])
    rows = [{"KeyId": tag.resource_id, "TagKey": tag.name, "TagValue": tag.value} for tag in found]
    return {"Tags": {"Tag": rows}}


def _list_tags(engine: Engine, values: Values) -> Shape:
    found, token = engine.list_tags(
        _resource_type(values), values.get("ResourceId", ()), values.get("Tag", ()), values.get("NextToken", "")
    )
    rows: list[dict[str, Any]] = [
        {
            "ResourceId": tag.resource_id,
            "ResourceType": tag.resource_type,
            "TagKey": tag.name,
            "TagValue": tag.value,
        }
        for tag in found
    ]
    return {"NextToken": token, "TagResources": {"TagResource": rows}}


ROWS: Final[Mapping[str, Managing]] = MappingProxyType(
    {
        "CreateAlias": changing(
            (_ALIAS, KEY), lambda values: op.CreateAlias(alias=values["AliasName"], key=values["KeyId"])
        ),
        "UpdateAlias": changing(
            (_ALIAS, KEY), lambda values: op.UpdateAlias(alias=values["AliasName"], key=values["KeyId"])
        ),
        "DeleteAlias": changing((_ALIAS,), lambda values: op.DeleteAlias(alias=values["AliasName"])),
        "ListAliases": Managing(PAGE, _list_aliases),
        "ListAliasesByKeyId": Managing((KEY, *PAGE), _list_aliases_of),
        "TagResource": changing(
            (*_ONE, Parameter("Tags", tags, required=True)),
            lambda values: op.TagResource(key=_key(values), tags=values["Tags"]),
        ),
        "UntagResource": changing(
            (*_ONE, Parameter("TagKeys", names, required=True)),
            lambda values: op.UntagResource(key=_key(values), tag_keys=values["TagKeys"]),
        ),
        "ListResourceTags": Managing((KEY,), _list_resource_tags),
        "TagResources": changing(
            (*_RESOURCES, Parameter("Tag", gather=tagged, required=True)),
            lambda values: op.TagResources(
                resource=values["ResourceId"], resource_type=_resource_type(values), tags=values["Tag"]
            ),
        ),
        "UntagResources": changing(
            (*_RESOURCES, Parameter("TagKey", gather=listed), Parameter("All", flag)),
            lambda values: op.UntagResources(
                resource=values["ResourceId"],
                resource_type=_resource_type(values),
                tag_keys=values.get("TagKey", ()),
                every=None if "TagKey" in values else values.get("All"),  # All is for calls that name no tag
            ),
        ),
        "ListTagResources": Managing(
            (
                Parameter("RegionId", required=True),
                Parameter("ResourceType", required=True),
                Parameter("ResourceId", gather=listed),
                Parameter("Tag", gather=tagged_pairs),
                Parameter("NextToken"),
            ),
            _list_tags,
        ),
    }
)
