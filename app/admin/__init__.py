"""The admin: pages under ``/admin``, the same as JSON under ``/admin/api/v1``.

``access`` decides who may, ``resources`` has what both show and do, ``api`` and ``pages`` render
it.
"""
