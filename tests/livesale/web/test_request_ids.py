"""Request ids: a caller's own when it is sane, and never the same from two workers."""

import os

from livesale.web.traffic import request_id_of


def test_a_forked_worker_gives_out_ids_of_its_own() -> None:
    # given a worker forked from a process that has everything imported
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, request_id_of({}).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    # then its ids begin otherwise than ours, and count on
    ours = request_id_of({})
    assert theirs.partition("-")[0] != ours.partition("-")[0]
    assert theirs.partition("-")[2] == ours.partition("-")[2]


def test_an_id_of_the_caller_is_kept_when_it_is_sane() -> None:
    assert request_id_of({"X-Request-Id": "shop:42"}) == "shop:42"
    assert request_id_of({"X-Request-Id": "two\r\nlines"}) != "two\r\nlines"
