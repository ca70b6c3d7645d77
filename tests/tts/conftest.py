from tests.recognisers.test_google_channels import good_key

__all__ = ["good_key"]  # fixtures
