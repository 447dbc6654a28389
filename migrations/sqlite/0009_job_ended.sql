-- By itself, so that it holds no other lock while it waits for this one: job_of_device serves what ended on a device, too.
DROP INDEX job_ended;
