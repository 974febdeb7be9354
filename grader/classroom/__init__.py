"""A class at once: `python -m grader ASSIGNMENT --submissions DIR|ZIP`.

The way of a submission, one module each::

    members    what lies in a folder, zip or tar, without unpacking it
    roster     who handed in which of them: Gradescope's, Canvas's, Moodle's or plain folders
    material   one student's members as one file, with their digest
    intake     that file unpacked, within limits; or a reason why not
    jobs       one submission graded: plain values in, bytes out
    local      jobs in processes of this machine
    cluster    jobs on Dask
    store      every result in one SQLite file, from which a killed run goes on
    gradebook  what an instructor takes away
    session    all of it together
"""
