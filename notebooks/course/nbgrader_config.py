"""nbgrader's settings for this course. Run nbgrader in the folder that holds this file."""

c = get_config()

c.CourseDirectory.course_id = "comlnviz"
c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("not answered yet")'
}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"

# Submissions run one by one in processes of their own, within these limits: seconds for a cell,
# megabytes for a submission. They see a copy of their folder, and nothing else of the course.
c.IsolatedExecute.timeout = 30
c.IsolatedExecute.memory = 2048
c.Autograde.sanitize_preprocessors = [
    "comlnviz.course.grade.RestoreCells",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "comlnviz.course.grade.IsolatedExecute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
