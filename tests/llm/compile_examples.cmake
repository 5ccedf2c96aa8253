# Compiles every CUDA example of prompts/actions with nvcc, as the product's prelude would have it, so
# that none can rot. Run with -DNVCC=... -DPROMPTS=... -DPRELUDE=... -DWORK=...
file(GLOB pages ${PROMPTS}/actions/*.md)
set(examples 0)
foreach(page IN LISTS pages)
  get_filename_component(name ${page} NAME_WE)
  file(READ ${page} rest)
  string(FIND "${rest}" "```cuda\n" at)
  if(at EQUAL -1)
    continue()
  endif()
  math(EXPR at "${at} + 8")
  string(SUBSTRING "${rest}" ${at} -1 rest)
  string(FIND "${rest}" "```" end)
  string(SUBSTRING "${rest}" 0 ${end} code)
  file(WRITE ${WORK}/${name}.cu "${code}")
  execute_process(
    COMMAND ${NVCC} -arch=sm_90a -std=c++17 -include ${PRELUDE} -cubin -o ${WORK}/${name}.cubin
            ${WORK}/${name}.cu
    RESULT_VARIABLE failed ERROR_VARIABLE log OUTPUT_VARIABLE log)
  if(failed)
    message(SEND_ERROR "the example of ${name}.md does not compile:\n${log}")
  endif()
  math(EXPR examples "${examples} + 1")
endforeach()
if(examples LESS 17)
  message(SEND_ERROR "found ${examples} examples, expected at least 17")
endif()
