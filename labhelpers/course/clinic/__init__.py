"""The clinic of broken networks: ``case = clinic.admit()``, find out what is wrong, and mend it."""

from labhelpers.course.clinic.admission import admit, cases, overview
from labhelpers.course.clinic.case import Advice, Answer, Case
from labhelpers.course.clinic.chart import chart
from labhelpers.course.clinic.debrief import Debrief
from labhelpers.course.clinic.fault import LAYERS

__all__ = ["LAYERS", "Advice", "Answer", "Case", "Debrief", "admit", "cases", "chart", "overview"]
