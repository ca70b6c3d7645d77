from tests.recognisers.google.test_channels import good_key

__all__ = ["good_key"]  # fixtures
