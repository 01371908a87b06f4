"""The attacks that are refused, a row each: `make docs` writes docs/attacks.md from it, `make proofs` runs its tests.

`python -m tests.attacks.table` prints the node ids of the tests.
"""

from typing import NamedTuple

__all__ = ["ATTACKS", "Attack"]


class Attack(NamedTuple):
    """One thing that an attacker tries.

    Attributes:
        promise: The promise of `SECURITY.md` that it would break.
        answer: The result.
        test: Node id of the test that proves it.
    """

    id: str
    promise: str
    attempt: str
    answer: str
    test: str


# Where the tests are.
_NAMES, _REQUESTS, _PAGES = (f"tests/attacks/test_{name}.py::test_" for name in ("names", "requests", "pages"))
_FILES, _OUTPUTS, _CODE = (f"tests/attacks/test_{name}.py::test_" for name in ("files", "outputs", "code"))
_CONTROL, _PROTOCOL, _HOSTED, _SNS = (
    f"tests/contract/test_{name}.py::" for name in ("control", "protocol", "hosted_pages", "notifications")
)
_READER, _JOURNAL = (f"tests/unit/client/test_{name}.py::test_" for name in ("notifications", "journal"))
_CANARY = "tests/proofs/test_canary.py::test_"
_CONNECTIONS = "tests/contract/test_connections.py::test_"
_KEYS = "tests/unit/signing/test_keys.py::test_"

# Promise → id, attempt, answer and test of each attack on it.
_ROWS = {
    "Loopback only.": (
        ("loopback.address", "A server is asked to listen on another address.", "Refused before a port is opened.",
         f"{_NAMES}no_server_listens_on_another_address"),
        ("loopback.pages", "A site gives its own name the address 127.0.0.1 and reads hosted pages.", "403",
         f"{_NAMES}hosted_pages_answer_to_names_of_this_machine"),
        ("loopback.shop", "A site does the same to the shop's pages.", "403",
         f"{_NAMES}the_shop_answers_to_names_of_this_machine"),
        ("loopback.presenter", "A site does the same to a presentation, where each visit starts a kernel.", "403",
         f"{_NAMES}the_presenter_answers_to_names_of_this_machine"),
        ("loopback.cross-origin", "A page of another site asks whether it may read an answer.",
         "405, and no header that allows it.", f"{_NAMES}no_page_of_another_site_may_read_an_answer"),
        ("loopback.post", "A page of another site posts to the emulator or the shop, or starts an app's checkout.",
         "403",
         f"{_NAMES}no_page_of_another_site_posts_here"),
        ("loopback.two-names", "A request carries two Host headers.", "403",
         f"{_CONNECTIONS}two_names_are_no_name"),
        ("loopback.endpoint", "A call registers an endpoint for notifications on another machine.", "400",
         f"{_SNS}test_only_an_address_on_this_machine_can_be_an_endpoint"),
        ("loopback.endpoint-spelling", "Control characters hide the real address of an endpoint.", "400",
         f"{_NAMES}an_endpoint_is_called_as_it_reads"),
        ("loopback.endpoint-redirect", "An endpoint redirects a delivery elsewhere.", "Not followed.",
         f"{_NAMES}a_delivery_is_not_led_elsewhere"),
        ("loopback.certificate", "A page on loopback leads the scripted buyer to a host with a certificate of its own.",
         "The connection is refused.", f"{_NAMES}a_certificate_is_verified_where_a_page_of_this_machine_led"),
        ("loopback.proxy", "A proxy of the environment waits for calls to the control interface.",
         "It is not asked for addresses of this machine.",
         "tests/attacks/test_proxies.py::test_a_command_asks_no_proxy"),
        ("loopback.proxy-buyer", "The same proxy waits for the scripted buyer.", "It is not asked.",
         "tests/attacks/test_proxies.py::test_the_buyer_asks_no_proxy"),
        ("loopback.proxy-pytest", "The same proxy waits for a test of the pytest plugin.", "It is not asked.",
         "tests/attacks/test_proxies.py::test_an_emulator_of_a_test_asks_no_proxy"),
        ("loopback.authority", "A program that does not know the emulator's authority connects over HTTPS.",
         "The connection fails: no one else trusts that authority.",
         f"{_CONTROL}test_https_is_trusted_by_its_own_authority"),
    ),
    "The control interface has one owner.": (
        ("control.stranger", "A call without the token, from a page of any origin, or under a foreign name.",
         "401, or 403 for the name; nothing happens.", f"{_CONTROL}TestOwner::test_others_are_refused"),
        ("control.notifications", "A call reads or configures notifications without the token.", "401",
         f"{_SNS}test_notifications_are_nobody_elses_business"),
        ("control.guess", "The token is guessed from the duration of a comparison.", "The duration is constant.",
         f"{_CODE}the_two_tokens_are_compared_in_constant_time"),
        ("control.private-key", "A private key is registered by mistake.", "400; it is not stored.",
         f"{_CONTROL}TestAccounts::test_only_an_rsa_public_key_is_registered"),
    ),
    "A form works only on its own page.": (
        ("forms.elsewhere", "Another site posts a hosted form.", "403",
         f"{_HOSTED}TestForms::test_a_form_from_elsewhere_is_refused"),
        ("forms.other-session", "The token of one session is used for another.", "403",
         f"{_HOSTED}TestForms::test_a_token_belongs_to_one_session"),
        ("forms.early", "A form is posted before its page's turn.", "The buyer sees the page whose turn it is.",
         f"{_HOSTED}TestVisits::test_no_page_comes_before_its_turn"),
        ("forms.over", "A form of a finished session is posted again.", "422",
         f"{_HOSTED}TestVisits::test_a_session_that_is_over_has_no_pages"),
    ),
    "Typed text stays text.": (
        ("text.hosted", "A merchant's name, note or reference is a script.", "Shown as text.",
         f"{_HOSTED}TestForms::test_what_a_merchant_typed_is_text"),
        ("text.buyer", "A buyer's name or a card's description is a script.", "Shown as text.",
         "tests/unit/shop/test_shop.py::test_what_a_buyer_is_called_cannot_become_part_of_the_page"),
        ("text.shop", "The name of the shop or an item, or the session's id in the address, is a script.",
         "Shown as text.",
         f"{_PAGES}no_name_adds_to_a_page_of_the_shop"),
        ("text.payload", "A signed payload contains the end of a script element.",
         "It is escaped, and remains the same JSON.",
         "tests/unit/client/test_button.py::test_embedded_json_cannot_leave_its_script"),
        ("text.display", "An object that a notebook shows contains markup.", "Shown as text.",
         "tests/unit/workbench/test_show.py::test_html_is_escaped_and_text_is_not"),
        ("text.mermaid", "A message in a diagram contains Mermaid markup.", "Shown as text.",
         "tests/unit/workbench/test_diagrams.py::test_mermaid_markup_in_a_text_is_escaped"),
        ("text.report", "A notebook's name, parameter, claim, result or error is a script or an executable address.",
         "Shown as text.", f"{_OUTPUTS}a_report_is_text"),
        ("text.export", "A cell prints a script, or shows one.", "It becomes text, or is replaced by its static twin.",
         f"{_OUTPUTS}an_exported_page_runs_nothing_that_was_printed"),
        ("text.parameter", "A parameter closes its quotes and continues with code.", "It stays a name.",
         f"{_OUTPUTS}the_name_of_a_shop_is_a_name"),
        ("text.file-name", "A notebook's name would put its page into another folder.",
         "The page is in the requested folder.", f"{_OUTPUTS}a_file_is_written_where_it_belongs"),
    ),
    "No redirect leads to a dangerous address.": (
        ("addresses.return", "A return address is a script, a file or another scheme, or looks like another host.",
         "400, in a call, an update, a button, a sign-in and an app.", f"{_PAGES}nobody_is_led_to_a_dangerous_address"),
        ("addresses.origin",
         "A button is on a page whose origin is not registered, or only ends like a registered one.",
         "403, whether the page or the browser names the origin.", f"{_PAGES}a_button_on_a_foreign_page_is_refused"),
        ("addresses.header", "A line break in an address would become a header of the redirect.", "It stays encoded.",
         f"{_PAGES}a_redirect_is_one_header"),
        ("addresses.file", "A path leads out of the pages, to a file on the machine.", "404",
         f"{_PAGES}a_path_leads_to_no_file"),
        ("addresses.wrong-button", "A wrong button carries its own return address.",
         "The buyer stays on Amazon's page.", f"{_HOSTED}TestEntry::test_a_wrong_form_ends_on_amazons_page"),
    ),
    "Merchants do not see each other.": (
        ("merchants.objects", "A merchant names another's object in a call.", "404, as if the object did not exist.",
         f"{_PROTOCOL}TestKeys::test_another_merchants_objects_look_absent"),
        ("merchants.key", "A merchant signs under another's key id, or puts another's wallet on a button.",
         "403, or 404.", f"{_REQUESTS}the_key_of_another_merchant_opens_nothing"),
        ("merchants.idempotency", "A merchant sends another's idempotency key to see the answer.",
         "Each merchant has separate keys.", f"{_PROTOCOL}TestIdempotency::test_keys_belong_to_a_merchant"),
        ("merchants.delegation", "A merchant claims to act for another.", "403",
         f"{_PROTOCOL}TestKeys::test_nobody_acts_for_another_merchant"),
        ("merchants.finalize", "A merchant finalizes the session of another's app.", "404",
         "tests/contract/test_mobile.py::TestFinalizing::test_only_the_merchants_own_key_finalizes"),
        ("merchants.notifications", "A merchant listens for another's notifications.", "None of them arrives.",
         f"{_SNS}test_one_merchants_endpoint_hears_nothing_of_anothers"),
        ("merchants.buyer", "Two merchants compare their buyers' ids.", "The same buyer has a different id at each.",
         f"{_PROTOCOL}TestKeys::test_a_buyer_has_another_id_at_another_merchant"),
    ),
    "Only what is signed is done.": (
        ("signed.altered", "A part of a signed request is replaced in transit.", "403, and nothing is charged.",
         f"{_REQUESTS}an_altered_request_charges_nothing"),
        ("signed.scheme", "A request is signed with the wrong salt, padding or hash.", "403",
         f"{_REQUESTS}a_request_signed_in_another_way_is_refused"),
        ("signed.button-scheme", "A button is signed with the wrong salt, padding or hash.", "403",
         f"{_REQUESTS}a_button_signed_in_another_way_is_refused"),
        ("signed.button-altered", "A signed button is changed in the page, or signed with another key.", "403",
         f"{_HOSTED}TestEntry::test_the_signature_covers_every_byte"),
        ("signed.replay", "A recorded request is sent again at once.", "The same answer; it is charged once.",
         f"{_REQUESTS}a_request_that_is_sent_again_charges_once"),
        ("signed.late", "A recorded request is sent again 15 minutes later.", "400",
         f"{_REQUESTS}a_recorded_request_is_too_old_a_quarter_of_an_hour_later"),
        ("signed.other-body", "Another request uses an idempotency key again.", "400",
         f"{_PROTOCOL}TestIdempotency::test_another_request_with_the_same_key_is_refused"),
        ("signed.unsigned-header", "A required header is left out of the signature.", "Refused.",
         "tests/unit/signing/test_signing.py::test_a_required_header_must_be_signed"),
        ("signed.live", "A request is sent to a live environment, however that is spelled.", "401",
         f"{_PROTOCOL}TestKeys::test_there_is_no_live_environment"),
    ),
    "A notification is believed only when it is genuine.": (
        ("genuine.certificate", "The envelope names a certificate on another host, or without https.",
         "Refused; the certificate is not even downloaded.",
         f"{_READER}a_certificate_from_anywhere_else_is_not_even_fetched"),
        ("genuine.redirect", "The certificate's address redirects, or returns something else.", "503",
         f"{_READER}a_certificate_that_cannot_be_had_asks_for_a_repetition"),
        ("genuine.altered", "A signed field is altered.", "400",
         f"{_READER}nothing_that_is_signed_can_be_altered"),
        ("genuine.topic", "A genuine envelope comes from another topic.", "400",
         f"{_READER}another_topic_is_refused"),
        ("genuine.merchant", "A genuine notification is for another merchant.", "400",
         f"{_READER}another_merchants_notification_is_refused"),
        ("genuine.old", "An old envelope is sent again.", "400",
         f"{_READER}an_old_notification_is_refused"),
        ("genuine.repeated", "A genuine notification is repeated.", "It is processed once.",
         "tests/flows/test_notifications.py::test_what_was_seen_before_is_not_worked_on_again"),
    ),
    "Requests are limited.": (
        ("bounds.body", "A body is huge, with a declared length or in chunks.", "413, as soon as the size is known.",
         f"{_PROTOCOL}TestBodies::test_a_large_body_is_refused"),
        ("bounds.shop", "The same is sent to the shop.", "413",
         f"{_PAGES}the_shop_takes_no_huge_body"),
        ("bounds.nesting", "JSON is nested hundreds of levels deep.", "400",
         f"{_PROTOCOL}TestBodies::test_deep_nesting_is_refused_or_kept"),
        ("bounds.control", "The control interface receives JSON that is too deep, broken or missing.", "400",
         f"{_CONTROL}TestOwner::test_what_is_no_json_is_refused"),
        ("bounds.fields", "A form has very many fields, or the body is not a form.", "A page refuses it.",
         f"{_HOSTED}TestEntry::test_any_other_post_is_refused"),
        ("bounds.smuggling", "A request has two lengths, a length and chunks, or broken headers.",
         "400; the rest is not read.", f"{_REQUESTS}a_request_with_two_readings_is_not_read"),
        ("bounds.head", "A target, headers, trailers or a chunk's extension never end.", "431, while they arrive.",
         f"{_CONNECTIONS}what_is_no_body_has_an_end"),
        ("bounds.log", "Clients break off in the middle of bodies.", "Nothing is logged.",
         f"{_CONNECTIONS}a_body_that_breaks_off_fills_no_log"),
        ("bounds.slow", "A request arrives in part, or its answer is never read.", "408, and the connection is closed.",
         f"{_CONNECTIONS}a_request_arrives_in_time"),
        ("bounds.connections", "Very many connections are opened.", "503 for the last one; the others go on.",
         f"{_CONNECTIONS}connections_are_limited"),
        ("bounds.started", "Very many checkouts are started as by an app, which signs nothing.",
         "429, or 413 for a large one.",
         "tests/contract/test_mobile.py::TestStarting::test_what_nobody_has_signed_is_limited"),
        ("bounds.endpoint", "An endpoint accepts each delivery and never answers.",
         "After three in a row it is left alone until the next attempt; nothing waits longer.",
         f"{_SNS}test_an_endpoint_that_never_answers_is_left_alone"),
        ("bounds.deliveries", "More is announced than an endpoint can take.",
         "Reading and advancing deal with what was there at the call.",
         f"{_SNS}test_more_announcements_than_deliveries_hold_nothing"),
        ("bounds.clock", "The disk is full when something is due, and nobody moves the clock.",
         "The log says it once; it happens when there is room.",
         "tests/faults/test_time.py::test_what_could_not_be_written_happens_later"),
        ("bounds.notices", "A stranger sends the shop very many notifications.", "503, until some are read.",
         f"{_PAGES}the_shop_keeps_few_notices"),
        ("bounds.redirects", "A page redirects the scripted buyer to itself.", "It stops with an error.",
         "tests/unit/shop/test_buyer.py::test_redirects_have_an_end"),
        ("bounds.upgrade", "A request offers another protocol, and its body looks like a request.",
         "The offer is ignored; the body is a body.", f"{_CONNECTIONS}no_body_is_a_request"),
        ("bounds.trailer", "The signature and its headers come after the body, as trailers.", "400: they are missing.",
         f"{_CONNECTIONS}a_trailer_is_no_header"),
        ("bounds.fragment", "A target has a fragment, which one reader takes for a part of the path.", "400",
         f"{_CONNECTIONS}a_target_has_no_fragment"),
        ("bounds.twice", "A key occurs twice in a JSON object, with two amounts.", "400; the key is named.",
         f"{_PROTOCOL}TestBodies::test_a_repeated_key_is_refused"),
        ("bounds.path", "A path is very long, or contains invalid characters.", "4xx, and the server continues.",
         f"{_REQUESTS}no_path_breaks_the_server"),
    ),
    "Secrets stay where they are.": (
        ("secrets.journal", "A secret is anywhere in an exchange.", "Masked before it is recorded.",
         f"{_JOURNAL}no_secret_survives_in_a_text"),
        ("secrets.control-journal", "The emulator's own journal is read.",
         "It contains no signature and nothing personal.",
         f"{_CONTROL}TestJournal::test_an_exchange_is_taken_down_without_secrets"),
        ("secrets.display", "Something secret or personal is shown in a cell.", "It is hidden.",
         "tests/unit/workbench/test_show.py::test_nothing_personal_or_secret_comes_through"),
        ("secrets.notebooks", "The committed notebooks are searched.", "Nothing is found.",
         "tests/notebooks/test_notebook_shape.py::test_its_outputs_give_nothing_away"),
        ("secrets.report", "Everything that a run writes is searched.", "Nothing is found.",
         "tests/unit/test_cli.py::test_no_secret_reaches_a_report"),
        ("secrets.cells", "A cell prints or raises a key in dozens of forms, a signature or a token.",
         "Masked in the notebook, the pages and the reports.", f"{_CANARY}no_cell_gets_a_secret_out"),
        ("secrets.variable", "A variable holds the private key where a path is expected, as in a CI service.",
         "It is used; no file and no terminal shows it.", f"{_CANARY}a_key_in_a_variable_is_used_and_not_shown"),
        ("secrets.arguments", "A key, a signature or a token is an argument of the command.",
         "No message repeats it.", f"{_CANARY}no_message_of_the_command_repeats_a_secret"),
        ("secrets.calls", "Fields of calls hold a key, a signature or a token.",
         "Neither logs, nor journals, nor HTTP archive show it.", f"{_CANARY}what_a_field_holds_gets_no_further"),
        ("secrets.notifications", "Fields of an unsigned notification hold a secret.",
         "Neither the answer, nor the shop's log show it.", f"{_CANARY}what_a_notification_holds_is_in_no_log"),
        ("secrets.har", "A journal is written as an HTTP archive and searched.", "Nothing is found.",
         "tests/unit/client/test_har.py::test_it_gives_nothing_away"),
        ("secrets.log", "A call about a buyer fails, and the path is logged.", "The log does not contain the token.",
         f"{_OUTPUTS}a_failure_is_logged_without_the_buyers_token"),
        ("secrets.process", "Everything that an emulator prints and logs is searched.", "Nothing is found.",
         f"{_OUTPUTS}a_process_tells_no_secret"),
        ("secrets.errors", "Amazon's message about a wrong signature quotes it.", "Masked.",
         "tests/unit/workbench/test_panels_wire.py::test_what_an_error_quotes_is_redacted"),
        ("secrets.path", "A private key is passed instead of a path.", "The message does not repeat it.",
         f"{_KEYS}a_key_handed_over_as_a_path_is_not_repeated"),
        ("secrets.repr", "An object that holds a key is printed.", "The output shows its id and its algorithm.",
         f"{_KEYS}no_representation_shows_the_private_key"),
        ("secrets.pickle", "An object that holds a key is pickled.", "Refused.",
         f"{_FILES}no_key_travels_in_a_pickle"),
        ("secrets.timing", "The duration of a comparison reveals how much of a guess is right.", "No comparison does.",
         f"{_CODE}no_secret_is_compared_a_character_at_a_time"),
    ),
    "A file with a secret is its owner's alone.": (
        ("files.mode", "The process makes new files readable by everyone.", "Keys have mode 0600.",
         f"{_KEYS}only_the_owner_can_read_a_private_key"),
        ("files.emulator", "The same happens to everything that an emulator writes.",
         "Others can read none of the files.",
         f"{_FILES}what_an_emulator_writes_is_its_owners_alone"),
        ("files.waiting", "A readable file or a link already exists in the place of the ready file.", "It is replaced.",
         f"{_FILES}nobody_reads_the_token_through_a_file_that_was_waiting"),
        ("files.link", "A link already exists in the place of a key.", "Refused, or replaced; not followed.",
         f"{_FILES}a_key_is_not_written_through_a_link"),
        ("files.replaced", "A key replaces a readable file.", "The key has mode 0600.",
         f"{_KEYS}replacing_a_readable_file_makes_it_private"),
        ("files.readable", "Others can read a key file.", "The check reports it, and how to fix it.",
         f"{_KEYS}a_file_that_others_can_read_is_found"),
        ("files.left", "An emulator is stopped.", "Its keys are deleted.",
         "tests/unit/test_cli.py::test_a_polite_kill_leaves_no_key_behind"),
    ),
}  # fmt: skip
ATTACKS = tuple(
    Attack(name, promise, attempt, answer, test)
    for promise, rows in _ROWS.items()
    for name, attempt, answer, test in rows
)

if __name__ == "__main__":
    print(*dict.fromkeys(attack.test for attack in ATTACKS))  # noqa: T201 (the Makefile reads it)
