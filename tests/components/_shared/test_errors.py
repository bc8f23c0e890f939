from components._shared.errors import UserError


def test_message_has_rule_value_and_remedy():
    message = str(UserError("A span has files.", received="span 3", remedy="Check the pattern."))
    assert message == "A span has files. Received: span 3. Check the pattern."


def test_a_value_that_ends_a_sentence_gets_no_second_full_stop():
    assert str(UserError("A rule.", received="It is wrong.")) == "A rule. Received: It is wrong."


def test_a_falsy_value_is_shown():
    assert "Received: 0." in str(UserError("Rows are positive.", received=0))


def test_a_long_value_is_shortened():
    assert len(str(UserError("A rule.", received="x" * 10_000))) < 600
