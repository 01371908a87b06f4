"""A pytest plugin for other people's test suites: an emulator, a client and a buyer as fixtures.

    def test_checkout(amazonpay_client, amazonpay_buyer): ...
"""
