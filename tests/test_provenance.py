from fashion.provenance import continued


def test_what_a_run_went_through_is_told_in_order():
    first, second = ({"hardware": name, "versions": {"torch": "2"}} for name in ("a", "b"))
    assert continued({}, first) == continued(first, first) == first
    both = continued(first, second)
    assert both == continued(both, second) == {"hardware": "a, then b", "versions": {"torch": "2"}}
    assert continued(both, first)["hardware"] == "a, then b, then a"
