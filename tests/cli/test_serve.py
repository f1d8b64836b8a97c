import pytest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--compute-threads", "0"], "compute-threads is 0"),
        (["--api-keys", "/nowhere/keys"], "cannot read the API keys"),
        (["--at", "nowhere"], "there is no operating point 'nowhere'"),
        (["--degrade-to", "nowhere"], "there is no operating point 'nowhere'"),
        (["--threshold", "0.8", "--degrade-to", "0.8"], "where texts leave without load"),
        (["--host", "203.0.113.7"], "cannot listen on 203.0.113.7:8000: "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(place, refused, options, said):
    assert said in refused("serve", "../model", "--warm-up-seconds", 0, *options)


def test_every_setting_is_an_option(offramp):
    text = offramp("serve", "--help").stdout
    for option in ("--max-wait-ms", "--max-queue", "--api-keys", "--degrade-to", "--fall-back-to", "--audit-share"):
        assert option in text
