from __future__ import annotations

import pytest

from kmsplan.provider.alibaba.settings import settings


def test_a_regions_endpoint_inside_of_vpcs_is_another_way_to_the_same_kms() -> None:
    inside, outside = settings({"region": "cn-hangzhou", "vpc": True}), settings({"region": "cn-hangzhou"})
    assert inside.endpoint == "kms-vpc.cn-hangzhou.aliyuncs.com"
    assert inside.kms == outside.kms == outside.endpoint == "kms.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    "endpoint", ["kms.example.com:8443", "kms.cn-beijing.aliyuncs.com", "kms-vpc.cn-beijing.aliyuncs.com"]
)
def test_any_other_endpoint_is_a_kms_of_its_own(endpoint: str) -> None:
    assert settings({"region": "cn-hangzhou", "endpoint": endpoint}).kms == endpoint
