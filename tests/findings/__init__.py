"""What the product says of real data, week by week, and the same figures worked out from the files.

``python -m tests.findings`` writes them into docs/findings.md; tests/test_findings.py holds the
page, the product and the files together.
"""
