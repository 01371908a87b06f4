"""Rows of the behaviour registry about instant notifications.

Each row is (id, evidence, source, test, sentence); see `parity`.
"""

from amazonpay_nb.spec.evidence import Evidence

__all__ = ["ROWS"]

_D, _S, _R, _I, _E = Evidence
_SENT, _READ = "tests/contract/test_notifications.py::", "tests/unit/client/test_notifications.py::"
_SOURCE = "set-up-instant-payment-notifications"

ROWS: tuple[tuple[str, Evidence, str, str, str], ...] = (
    ("session.no-notification", _D, _SOURCE, f"{_SENT}test_a_session_is_not_announced",
     "A session's changes are not announced by notifications."),
    ("notification.envelope", _R, "plug-ins", f"{_SENT}test_a_notification_is_a_signed_envelope_without_a_state",
     "A notification is an SNS envelope sent as text/plain, whose Message is JSON in a string."),
    ("notification.no-state", _D, _SOURCE, f"{_SENT}test_a_notification_is_a_signed_envelope_without_a_state",
     "A notification names the object but not its state; the receiver gets the object."),
    ("notification.retry", _D, _SOURCE,
     f"{_SENT}test_a_delivery_that_fails_is_repeated_hourly_for_three_hours",
     "A delivery that fails with 5xx or a time-out is repeated hourly for three hours."),
    ("notification.final", _D, _SOURCE, f"{_SENT}test_a_final_answer_is_not_repeated",
     "A delivery that is answered with 2xx or 4xx is not repeated."),
    ("notification.redirect", _I, _SOURCE, f"{_SENT}test_a_final_answer_is_not_repeated",
     "A redirect is not followed, and not repeated."),
    ("notification.time-out", _I, _SOURCE, f"{_SENT}test_nobody_at_the_endpoint_is_no_answer",
     "An endpoint that cannot be reached counts as a time-out; the emulator waits five seconds for an answer."),
    ("notification.signature", _R, "plug-ins", f"{_READ}test_the_signed_text_is_as_amazon_writes_it",
     "The signature covers the sorted envelope fields; version 1 is RSA PKCS#1 v1.5 with SHA-1."),
    ("notification.signature-2", _I, "rules of SNS", f"{_READ}test_both_signature_versions_are_read",
     "SignatureVersion 2 is the same with SHA-256; the emulator sends version 1."),
    ("notification.certificate-host", _R, "plug-ins",
     f"{_READ}test_a_certificate_from_anywhere_else_is_not_even_fetched",
     "The certificate address must be https on an SNS host of Amazon and end in .pem."),
    ("notification.certificate-here", _E, "rules of SNS", f"{_READ}test_another_host_is_believed_only_when_told_so",
     "The emulator's certificate lies on the emulator, whose host a receiver has to be told."),
    ("notification.topic", _I, "rules of SNS", f"{_READ}test_another_topic_is_refused",
     "SNS signs for everybody who has a topic, so a receiver compares the TopicArn."),
    ("notification.age", _I, "rules of SNS", f"{_READ}test_an_old_notification_is_refused",
     "A receiver refuses an envelope that is older than the last retry can be."),
    ("notification.every-state-change", _I, _SOURCE, f"{_SENT}test_every_change_of_state_is_announced",
     "Every change of state of a permission, charge or refund is announced, the merchant's own included."),
    ("notification.one-for-a-request", _I, _SOURCE, f"{_SENT}test_every_change_of_state_is_announced",
     "Changes of one object in one request share a notification."),
    ("notification.reason-change", _I, _SOURCE, f"{_SENT}test_a_hard_decline_announces_the_permission",
     "A new reason of a state is announced like a new state."),
    ("notification.duplicates", _I, _SOURCE, f"{_SENT}test_a_drill_disturbs_the_next_notifications",
     "Deliveries may repeat and overtake each other; NotificationId tells the repeats."),
    ("notification.attribute-change", _D, _SOURCE,
     f"{_SENT}test_a_changed_payment_method_is_an_attribute_change",
     "A changed payment method is announced as ATTRIBUTE_CHANGE, a state as STATE_CHANGE."),
    ("notification.chargeback", _D, _SOURCE, f"{_SENT}test_a_chargeback_is_announced_with_a_dispute",
     "A dispute is announced with the object type CHARGEBACK."),
    ("notification.endpoint", _D, _SOURCE, f"{_SENT}test_one_merchants_endpoint_hears_nothing_of_anothers",
     "Each account and environment has one endpoint; that of Sandbox may be plain HTTP."),
    ("notification.endpoint-here", _E, _SOURCE,
     f"{_SENT}test_only_an_address_on_this_machine_can_be_an_endpoint",
     "The emulator delivers to loopback addresses only, by plain HTTP."),
    ("notification.order", _E, _SOURCE, f"{_SENT}test_deliveries_come_in_order_and_on_time",
     "The emulator delivers in order, and virtual time stands still during a delivery, unless a drill is set."),
)  # fmt: skip
