/*
 * audit_report.h - relto audit report: a log as one page for an auditor.
 */
#pragma once

extern const char audit_report_usage[];
/* The words from "report" on. */
int audit_report(int argc, char **argv);
